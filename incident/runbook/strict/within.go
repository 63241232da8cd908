package strict

import "context"

// Within is what read returns, or why ctx ended if that is first: a file may lie on a
// disk that does not answer, and whoever presses Ctrl-C then is not to wait for it. read
// is left to itself; it has to change nothing.
func Within[T any](ctx context.Context, read func() (T, error)) (T, error) {
	type answer struct {
		value T
		err   error
	}
	got := make(chan answer, 1)
	go func() { // ends when the disk answers, or with the process
		value, err := read()
		got <- answer{value, err}
	}()
	select {
	case a := <-got:
		return a.value, a.err
	case <-ctx.Done():
		var none T
		return none, context.Cause(ctx)
	}
}
