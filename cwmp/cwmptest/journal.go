package cwmptest

import (
	"slices"
	"sync"
	"time"
)

// NoteKind is what a Note tells of.
type NoteKind string

// Kinds of notes.
const (
	NoteBooting           NoteKind = "booting"            // it went down; Text is the cause
	NoteUp                NoteKind = "up"                 // it is up
	NoteSession           NoteKind = "session"            // a session begins
	NotePosted            NoteKind = "posted"             // Wire is the whole HTTP request, Method its message ("" is an empty POST)
	NoteReceived          NoteKind = "received"           // Wire is the body of the answer, Method its message, Text the HTTP status
	NoteActed             NoteKind = "acted"              // a request of the ACS was obeyed; Method names it
	NoteFaulted           NoteKind = "faulted"            // or answered with a fault
	NoteEnded             NoteKind = "ended"              // the session ended well
	NoteFailed            NoteKind = "failed"             // the session failed; Text says why
	NoteConnectionRequest NoteKind = "connection_request" // Text is the status that was answered
)

// Note is one thing that a Device did. Wire holds secrets: notes are for tests, not for logs.
type Note struct {
	At     time.Time
	Kind   NoteKind
	Method string
	Text   string
	Wire   []byte
}

// Journal keeps notes; its Add fits Config.Observe. The zero value is ready, and safe for concurrent use.
type Journal struct {
	mu    sync.Mutex
	notes []Note
}

// Add appends a note.
func (j *Journal) Add(n Note) {
	j.mu.Lock()
	j.notes = append(j.notes, n)
	j.mu.Unlock()
}

// Notes returns the notes of a kind, oldest first; all of them for "".
func (j *Journal) Notes(kind NoteKind) []Note {
	j.mu.Lock()
	defer j.mu.Unlock()
	list := slices.Clone(j.notes)
	if kind == "" {
		return list
	}
	return slices.DeleteFunc(list, func(n Note) bool { return n.Kind != kind })
}
