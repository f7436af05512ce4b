// A program that speaks the Runtime API with nothing but Go's standard library.
//
// It answers with its event, the name of the function and the id of its process. With an event {"waitFor": FILE}, it
// prints "waiting" and the id, and answers when that file exists.
package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"log"
	"net/http"
	"os"
	"time"
)

type answer struct {
	Event json.RawMessage `json:"event"`
	Name  string          `json:"name"`
	Pid   int             `json:"pid"`
}

func main() {
	invocations := "http://" + os.Getenv("AWS_LAMBDA_RUNTIME_API") + "/2018-06-01/runtime/invocation/"
	for {
		response, err := http.Get(invocations + "next")
		event := read(response, err)
		wait(event)
		body, err := json.Marshal(answer{event, os.Getenv("AWS_LAMBDA_FUNCTION_NAME"), os.Getpid()})
		if err != nil {
			log.Fatal(err)
		}
		id := response.Header.Get("Lambda-Runtime-Aws-Request-Id")
		posted, err := http.Post(invocations+id+"/response", "application/json", bytes.NewReader(body))
		read(posted, err)
	}
}

func read(response *http.Response, err error) []byte {
	if err != nil {
		log.Fatal(err)
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		log.Fatal(err)
	}
	return body
}

func wait(event []byte) {
	var wanted struct{ WaitFor string }
	if json.Unmarshal(event, &wanted) != nil || wanted.WaitFor == "" {
		return
	}
	fmt.Println("waiting", os.Getpid())
	for {
		if _, err := os.Stat(wanted.WaitFor); err == nil {
			return
		}
		time.Sleep(5 * time.Millisecond)
	}
}
