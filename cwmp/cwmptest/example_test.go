package cwmptest_test

import (
	"context"
	"fmt"
	"net/http"
	"strings"

	"recado/cwmp"
	"recado/cwmp/cwmptest"
)

// A device is asked to reboot by an ACS on a network in memory, and comes back with the proof.
func ExampleDevice() {
	network := cwmptest.NewNetwork()
	listener, err := network.Listen("acs.example:7547")
	if err != nil {
		fmt.Println(err)
		return
	}
	acs := &http.Server{Handler: rebootOnce("2f6d4cc0a0ff4cb3a5dd7d7f1f1c9b11")}
	go acs.Serve(listener) //nolint:errcheck // ends with Close

	profile, err := cwmptest.LookupProfile("avm")
	if err != nil {
		fmt.Println(err)
		return
	}
	cfg := profile.Config("4711")
	cfg.ACSURL, cfg.Net = "http://acs.example:7547/", network
	ctx, cancel := context.WithCancel(context.Background())
	cfg.Observe = func(n cwmptest.Note) {
		if n.Kind == cwmptest.NoteActed || n.Kind == cwmptest.NoteUp {
			fmt.Println(n.Kind, n.Method+n.Text)
		}
		if n.Kind == cwmptest.NotePosted && strings.Contains(string(n.Wire), "M Reboot") {
			fmt.Println("back with M Reboot")
			cancel()
		}
	}
	device := cwmptest.New(cfg)
	if err := device.Run(ctx); err != nil {
		fmt.Println(err)
	}
	acs.Close()
	fmt.Println("reboots:", len(device.Reboots()))
	// Output:
	// up start
	// acted Reboot
	// up Reboot
	// back with M Reboot
	// reboots: 1
}

// rebootOnce is an ACS that asks the first device that calls to reboot.
func rebootOnce(key string) http.Handler {
	acs := &scriptedACS{}
	acs.push(&cwmp.Reboot{CommandKey: key})
	return acs
}
