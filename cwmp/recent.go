package cwmp

// recent is a set that forgets: it holds the keys that were added last, at least max of them and at most twice as many.
type recent struct {
	max        int
	young, old map[uint64]struct{}
}

func newRecent(most int) recent { return recent{max: most, young: map[uint64]struct{}{}} }

func (r *recent) has(key uint64) bool {
	_, ok := r.young[key]
	if !ok {
		_, ok = r.old[key]
	}
	return ok
}

// add puts a key in, or makes it one of the last again.
func (r *recent) add(key uint64) {
	if _, ok := r.young[key]; !ok && len(r.young) >= r.max {
		r.old, r.young = r.young, map[uint64]struct{}{}
	}
	r.young[key] = struct{}{}
}

func (r *recent) remove(key uint64) {
	delete(r.young, key)
	delete(r.old, key)
}
