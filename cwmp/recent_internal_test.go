package cwmp

import "testing"

func TestRecentIsBoundedAndKeepsTheLast(t *testing.T) {
	r := newRecent[uint64](10)
	for k := range uint64(1000) {
		r.put(k, 2*k)
		r.put(3, k) // never the one put longest ago
		if n := len(r.young) + len(r.old); n > 20 {
			t.Fatalf("after %d keys: got %d kept, want 20 at most", k+1, n)
		}
		for back := range min(k+1, 9) {
			if v, ok := r.get(k - back); !ok || k-back != 3 && v != 2*(k-back) {
				t.Fatalf("after %d keys: got %d, %v for key %d, want the last 10 kept", k+1, v, ok, k-back)
			}
		}
	}
	if v, ok := r.get(3); !ok || v != 999 {
		t.Errorf("3, put all the time: got %d, %v, want 999", v, ok)
	}
	if _, ok := r.get(4); ok {
		t.Error("4 is there, put long ago")
	}
	r.remove(3)
	if _, ok := r.get(3); ok {
		t.Error("3 is there after its removal")
	}
}
