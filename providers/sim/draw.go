package sim

import (
	"fmt"
	"hash/fnv"
	"time"
)

// draw is a number in [0, n) that depends on nothing but the seed and the words.
// Everything that the world leaves to chance comes from here: how long pods take to
// be ready, how long a call takes and whether a half-working Region answers it, how
// far the replicas are behind, when a resolver fetches anew. No generator is kept
// whose next number would depend on who asks first.
func draw(seed, n uint64, words ...any) uint64 {
	h := fnv.New64a()
	fmt.Fprint(h, seed)
	for _, w := range words {
		fmt.Fprint(h, "\x00", w)
	}
	x := h.Sum64() // FNV leaves its high bits poorly mixed for short texts
	x ^= x >> 33
	x *= 0xff51afd7ed558ccd
	x ^= x >> 33
	return x % n
}

// Tally numbers the moments at which something was done.
type Tally struct {
	N  uint64    `json:"n"`
	At time.Time `json:"at"`
}

// turn is the number by which a call of that kind draws. Calls of one kind at one
// moment share a number: which of them came first is up to the machine, and must not
// decide what either of them draws.
func (s *State) turn(kind string, at time.Time) uint64 {
	t := s.Turns[kind]
	if t.N == 0 || !t.At.Equal(at) {
		t = Tally{t.N + 1, at}
		s.Turns[kind] = t
	}
	return t.N
}

// span is a duration between two bounds, both included, in whole milliseconds.
func (s *State) span(low, high time.Duration, words ...any) time.Duration {
	return low + time.Duration(draw(s.Seed, uint64((high-low)/time.Millisecond)+1, words...))*time.Millisecond
}
