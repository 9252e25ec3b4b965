package main

import (
	"fmt"
	"io"
	"sync"
	"time"

	"recado/acs/wire"
)

// lineWriter prints lines of many devices, one at a time. The zero value is ready.
type lineWriter struct {
	mu    sync.Mutex
	names map[int]string
}

func (l *lineWriter) name(i int, id string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.names == nil {
		l.names = map[int]string{}
	}
	l.names[i] = id
}

func (l *lineWriter) print(w io.Writer, at time.Time, i int, what string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	fmt.Fprintf(w, "%s  %s  %s\n", clock(wire.Time(at)), l.names[i], clean(what))
}
