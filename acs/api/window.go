package api

import "time"

// span is the length of a window.
const span = time.Minute

// maxPasses is how many passes are remembered one by one. With a higher limit, those that lie closer together than span/maxPasses count as
// made at the last one's time: then a window may let pass a little later than it could, and never too many.
const maxPasses = 1024

// window lets at most so many pass within any span, wherever it begins. Times are durations on one clock that does not go back.
type window struct {
	passes []passes // the oldest first, from head on
	head   int
	total  int // of those from head on
}

// passes were made from one time to another, n of them.
type passes struct {
	from, at time.Duration
	n        int
}

// expire forgets what lies a span back.
func (w *window) expire(now time.Duration) {
	for w.head < len(w.passes) && now-w.passes[w.head].at >= span {
		w.total -= w.passes[w.head].n
		w.head++
	}
	if w.head > len(w.passes)/2 {
		w.passes = w.passes[:copy(w.passes, w.passes[w.head:])]
		w.head = 0
	}
}

// wait is how long until one more may pass with a limit of so many; 0 is now.
func (w *window) wait(limit int, now time.Duration) time.Duration {
	w.expire(now)
	over := w.total - limit + 1 // so many have to be forgotten first
	if over <= 0 {
		return 0
	}
	for _, p := range w.passes[w.head:] {
		if over -= p.n; over <= 0 {
			return p.at + span - now
		}
	}
	return span
}

// pass counts one.
func (w *window) pass(limit int, now time.Duration) {
	w.total++
	if last := len(w.passes) - 1; last >= w.head {
		p := &w.passes[last]
		if p.at == now || limit > maxPasses && now-p.from < span/maxPasses {
			p.at = now
			p.n++
			return
		}
	}
	w.passes = append(w.passes, passes{from: now, at: now, n: 1})
}

// reset is how long until the oldest pass is forgotten; 0 where there is none.
func (w *window) reset(now time.Duration) time.Duration {
	if w.head == len(w.passes) {
		return 0
	}
	return w.passes[w.head].at + span - now
}
