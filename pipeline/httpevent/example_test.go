package httpevent_test

import (
	"context"
	"fmt"
	"net/http"

	"sluice/pipeline/httpevent"
)

func Example() {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /hello/{name}", func(w http.ResponseWriter, r *http.Request) {
		info, _ := httpevent.FromContext(r.Context())
		fmt.Fprintf(w, "hello %s from %s", r.PathValue("name"), info.ClientIP)
	})
	// In a Lambda function: lambda.StartWithOptions(handler).
	handler := httpevent.NewHandler(mux)
	response, err := handler.Invoke(context.Background(), []byte(`{
		"version": "2.0", "routeKey": "$default", "rawPath": "/hello/ada",
		"requestContext": {"http": {"method": "GET", "sourceIp": "203.0.113.7"}, "stage": "$default"}
	}`))
	fmt.Println(string(response), err)
	// Output:
	// {"statusCode":200,"headers":{"Content-Type":"text/plain; charset=utf-8"},"body":"hello ada from 203.0.113.7","isBase64Encoded":false} <nil>
}
