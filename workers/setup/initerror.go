package setup

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"time"
)

// What Lambda is told about a start that failed, in its own words.
const (
	configInvalid = "Runtime.ConfigInvalid"
	unknownReason = "Runtime.UnknownReason"
)

// initErrorTimeout bounds the report: the process ends in any case.
const initErrorTimeout = 2 * time.Second

// reportInitError tells the Runtime API at the address api why the function
// cannot start. Without it an invocation's error would be "exit status 1", and
// what is missing stood in the log alone.
func reportInitError(api string, cause error) error {
	kind := unknownReason
	if _, ok := errors.AsType[*ConfigError](cause); ok {
		kind = configInvalid
	}
	body, err := json.Marshal(map[string]any{"errorType": kind, "errorMessage": cause.Error(), "stackTrace": []string{}})
	if err != nil {
		return err
	}
	req, err := http.NewRequest(http.MethodPost, "http://"+api+"/2018-06-01/runtime/init/error", bytes.NewReader(body))
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Lambda-Runtime-Function-Error-Type", kind)
	// Lambda's own address is never behind a proxy.
	client := &http.Client{Transport: &http.Transport{}, Timeout: initErrorTimeout}
	res, err := client.Do(req)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	if res.StatusCode >= http.StatusMultipleChoices {
		return fmt.Errorf("the runtime API answers %s", res.Status)
	}
	return nil
}
