package wire

// ClientWebhookPut is the one webhook that a client's form has in IXC ACS: it makes the endpoint of that client, changes it or pauses it.
// What is nil stays as it is; a new one needs the URL.
type ClientWebhookPut struct {
	URL    *string   `json:"url,omitempty"`
	Events *[]string `json:"events,omitempty"`
	Active *bool     `json:"active,omitempty"`
	// AcceptInvalidCertificate takes any certificate of the receiver.
	AcceptInvalidCertificate *bool `json:"accept_invalid_certificate,omitempty"`
}

// ClientWebhook is the endpoint of a client's form; GET /webhooks/{id} has the whole of it.
type ClientWebhook struct {
	ID                       string   `json:"id"`
	URL                      string   `json:"url"`
	Events                   []string `json:"events"`
	Active                   bool     `json:"active"`
	State                    string   `json:"state"`
	AcceptInvalidCertificate bool     `json:"accept_invalid_certificate"`
	// Secret and StandardSecret are shown where the endpoint was made by this request.
	Secret         string `json:"secret,omitempty"`
	StandardSecret string `json:"standard_secret,omitempty"`
}
