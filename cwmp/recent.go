package cwmp

// recent is a map that forgets: it holds the keys that were put last, at least max of them and at most twice as many.
type recent[V any] struct {
	max        int
	young, old map[uint64]V
}

func newRecent[V any](most int) recent[V] { return recent[V]{max: most, young: map[uint64]V{}} }

func (r *recent[V]) get(key uint64) (V, bool) {
	v, ok := r.young[key]
	if !ok {
		v, ok = r.old[key]
	}
	return v, ok
}

// put sets a key's value, and makes it one of the last again.
func (r *recent[V]) put(key uint64, v V) {
	if _, ok := r.young[key]; !ok && len(r.young) >= r.max {
		r.old, r.young = r.young, map[uint64]V{}
	}
	r.young[key] = v
}

func (r *recent[V]) remove(key uint64) {
	delete(r.young, key)
	delete(r.old, key)
}
