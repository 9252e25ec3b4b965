package client_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"

	"recado/acs/client"
	"recado/acs/wire"
)

// answers is a server that knows one device and finishes its reboot by the second look.
func answers() *httptest.Server {
	looks := 0
	return httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/api/v1/devices/reboot":
			w.WriteHeader(http.StatusAccepted)
			_, _ = io.WriteString(w, `{"protocolo": "0192f6a1-b2c3-7d4e-8f90-a1b2c3d4e5f6", "status": "pending", "stage": "queued"}`)
		case "/api/v1/protocols/0192f6a1-b2c3-7d4e-8f90-a1b2c3d4e5f6":
			looks++
			w.Header().Set("ETag", fmt.Sprint(looks))
			status := "pending"
			if looks == 2 {
				status = "success"
			}
			_, _ = fmt.Fprintf(w, `{"protocolo": "0192f6a1-b2c3-7d4e-8f90-a1b2c3d4e5f6", "status": %q, "stage": "accepted"}`, status)
		default:
			w.WriteHeader(http.StatusNotFound)
			_, _ = io.WriteString(w, `{"code": "not_found", "title": "Not found", "detail": "it does not exist, or is not yours"}`)
		}
	}))
}

func Example() {
	server := answers()
	defer server.Close()
	ctx := context.Background()

	c, err := client.New(server.URL, "the client's token")
	if err != nil {
		fmt.Println(err)
		return
	}
	receipt, err := c.Reboot(ctx, wire.RebootRequest{RouterID: "RTR-42"}, client.IdempotencyKey("ticket-8812"))
	if err != nil {
		fmt.Println(err)
		return
	}
	done, err := c.Wait(ctx, receipt.Protocolo, func(p wire.Protocol) { fmt.Println("now", p.Status) })
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println("in the end:", done.Status)
	// Output:
	// now pending
	// now success
	// in the end: success
}

func ExampleCode() {
	server := answers()
	defer server.Close()
	c, err := client.New(server.URL, "the client's token")
	if err != nil {
		fmt.Println(err)
		return
	}
	_, err = c.Device(context.Background(), "202BC1-BM632w-000001")
	if client.Code(err) == wire.CodeNotFound {
		fmt.Println("no such device:", err)
	}
	// Output: no such device: it does not exist, or is not yours (not_found)
}
