package webhook_test

import (
	"errors"
	"fmt"
	"net/http"
	"time"

	"recado/webhook"
)

func ExampleSign() {
	secret, err := webhook.ParseSecret("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
	if err != nil {
		fmt.Println(err)
		return
	}
	h := http.Header{}
	webhook.Sign(h, "msg_p5jXN8AQM9LWM0D4loKWxJek", time.Unix(1614265330, 0), []byte(`{"test": 2432232314}`), secret)
	fmt.Println(h.Get(webhook.HeaderTimestamp), h.Get(webhook.HeaderSignature))
	// Output: 1614265330 v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=
}

// A receiver reads the body whole, verifies the bytes as they came in, and answers 2xx only when it has stored the event.
func ExampleVerify() {
	const secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw" // given at registration
	h := http.Header{}
	h.Set("webhook-id", "msg_p5jXN8AQM9LWM0D4loKWxJek")
	h.Set("webhook-timestamp", "1614265330")
	h.Set("webhook-signature", "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=")
	now := time.Unix(1614265400, 0) // time.Now() in a receiver

	fmt.Println(webhook.Verify(secret, h, []byte(`{"test": 2432232314}`), now))
	err := webhook.Verify(secret, h, []byte(`{"test": 9999999999}`), now)
	fmt.Println(errors.Is(err, webhook.ErrSignatureMismatch))
	// Output:
	// <nil>
	// true
}

func ExampleSecret_BodySignature() {
	secret, err := webhook.ParseSecret("0123456789abcdef")
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(secret.BodySignature([]byte(`{"a":1}`)))
	fmt.Println(secret.Standard())
	// Output:
	// sha256=1c76fbb930d3aa8b1633728fae212c68ca68a6752bb319b98be6fe17e86cf5b8
	// whsec_MDEyMzQ1Njc4OWFiY2RlZg==
}
