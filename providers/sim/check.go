package sim

import "fmt"

// say adds a sentence.
type say func(format string, args ...any)

// Check compares the world with what its scenario expects at the end: a sentence
// for each difference, none when all is as expected. What each service is held to
// stands in its file.
func (w *World) Check() (differs []string) {
	s, e := w.Snapshot(), w.scn.Expect
	say := func(format string, args ...any) { differs = append(differs, fmt.Sprintf(format, args...)) }
	s.expectDatabase(e, say)
	s.expectCache(e, say)
	s.expectCluster(e, w.scn.Target, say)
	s.expectDNS(e, say)
	s.expectTakeover(e, say)
	s.expectOrders(e, say)
	return differs
}
