package wire

// AuditEntry is one act in the record of who did what. Hashes are SHA-256 in hex; docs/operations.md says of what.
type AuditEntry struct {
	Seq   uint64     `json:"seq"` // from 1, without gaps
	Time  Time       `json:"time"`
	Actor AuditActor `json:"actor"`
	Act   string     `json:"act"`
	// Object is the id of what was changed.
	Object string `json:"object"`
	// Client is the id of the client whom it is about.
	Client  string            `json:"client,omitempty"`
	Details map[string]string `json:"details,omitempty"`
	Prev    string            `json:"prev"` // hash of the entry before
	Hash    string            `json:"hash"`
}

// AuditActor is who did it.
type AuditActor struct {
	Client    string `json:"client,omitempty"` // id
	Name      string `json:"name,omitempty"`   // at that time
	Source    string `json:"source,omitempty"` // address
	RequestID string `json:"request_id,omitempty"`
	Via       string `json:"via"` // api, system
}

// AuditMark is a place in the record.
type AuditMark struct {
	Seq  uint64 `json:"seq"`
	Hash string `json:"hash"`
}

// AuditEnds are the ends of the record: Anchor is the last entry that is not there any more (0 where all are there), Head the last one.
type AuditEnds struct {
	Anchor AuditMark `json:"anchor"`
	Head   AuditMark `json:"head"`
}
