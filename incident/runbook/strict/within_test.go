package strict

import (
	"context"
	"errors"
	"testing"
)

func TestWhoReadsIsNotWaitedForWhenTheTimeIsUp(t *testing.T) {
	why := errors.New("called off")
	ctx, stop := context.WithCancelCause(t.Context())
	if v, err := Within(ctx, func() (int, error) { return 3, nil }); v != 3 || err != nil {
		t.Errorf("%d, %v", v, err)
	}
	never := make(chan struct{})
	defer close(never)
	if _, err := Within(ctx, func() (int, error) {
		stop(why)
		<-never
		return 3, nil
	}); !errors.Is(err, why) {
		t.Errorf("%v", err)
	}
}
