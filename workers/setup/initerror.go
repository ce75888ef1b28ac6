package setup

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"time"
)

// Types of errors of a start, as Lambda names them.
const (
	configInvalid = "Runtime.ConfigInvalid"
	unknownReason = "Runtime.UnknownReason"
)

// initErrorTimeout bounds the report. The process ends in any case.
const initErrorTimeout = 2 * time.Second

// reportInitError reports the error of a start to the Runtime API at the address
// api. Without it, the error of an invocation would be "exit status 1", and only
// the log would name the cause.
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
	// Proxies of the environment do not apply to the Runtime API.
	client := &http.Client{Transport: &http.Transport{}, Timeout: initErrorTimeout}
	res, err := client.Do(req)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	if res.StatusCode >= http.StatusMultipleChoices {
		return fmt.Errorf("runtime API: got status %s, want 2xx", res.Status)
	}
	return nil
}
