package cwmp

import "testing"

func TestRecentIsBoundedAndKeepsTheLast(t *testing.T) {
	r := newRecent(10)
	for k := range uint64(1000) {
		r.add(k)
		r.add(3) // never the one seen longest ago
		if n := len(r.young) + len(r.old); n > 20 {
			t.Fatalf("after %d keys: got %d kept, want 20 at most", k+1, n)
		}
		for back := range min(k+1, 9) {
			if !r.has(k - back) {
				t.Fatalf("after %d keys: %d is gone, want the last 10 kept", k+1, k-back)
			}
		}
	}
	if !r.has(3) || r.has(4) {
		t.Errorf("3, added all the time: got %v, want true; 4, long ago: got %v, want false", r.has(3), r.has(4))
	}
	if r.remove(3); r.has(3) {
		t.Error("3 is there after its removal")
	}
}
