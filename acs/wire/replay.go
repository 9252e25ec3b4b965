package wire

// ReplayRequest is the body of POST /deliveries/replay and of POST /webhooks/{id}/replay. All may be left out, and so may the body.
type ReplayRequest struct {
	// Since and Until bound when the deliveries were made: from Since on, and before Until.
	Since *Time `json:"since,omitempty"`
	Until *Time `json:"until,omitempty"`
	// States are some of dead, delivered, pending and held; left out, dead.
	States []string `json:"states,omitempty"`
	// Types are event types; left out, all.
	Types []string `json:"types,omitempty"`
	// Webhook is an endpoint's id; left out, all of the client's. POST /webhooks/{id}/replay has it in its path.
	Webhook string `json:"webhook,omitempty"`
	// Limit is how many to replay in all; left out, all.
	Limit int `json:"limit,omitempty"`
}

// Replay is a job: deliveries that are made again, the oldest of each endpoint first.
type Replay struct {
	ID         string   `json:"id"`
	State      string   `json:"state"` // running, done, cancelled or failed
	Reason     string   `json:"reason,omitempty"`
	WebhookIDs []string `json:"webhook_ids"`
	Since      *Time    `json:"since"`
	Until      Time     `json:"until"`
	States     []string `json:"states"`
	Types      []string `json:"types"` // empty: all
	Limit      int      `json:"limit,omitempty"`
	// Matched is how many were found so far: Replayed, which are due again, and Skipped, which were under way already.
	Matched    int   `json:"matched"`
	Replayed   int   `json:"replayed"`
	Skipped    int   `json:"skipped"`
	CreatedAt  Time  `json:"created_at"`
	FinishedAt *Time `json:"finished_at"`
	// Next says in words what comes next; empty once it has ended.
	Next string `json:"next"`
}
