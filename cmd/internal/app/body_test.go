package app_test

import (
	"encoding/json"
	"testing"

	"recado/acs/wire"
)

// decodeEvent reads a webhook's body; what has no protocolo is of another type.
func decodeEvent(t testing.TB, body []byte) wire.ActionEvent {
	t.Helper()
	var e wire.ActionEvent
	if err := json.Unmarshal(body, &e); err != nil {
		t.Errorf("webhook body is no JSON: %v", err)
	}
	return e
}
