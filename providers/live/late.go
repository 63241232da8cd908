package live

import (
	"context"
	"net/http"

	"github.com/aws/aws-sdk-go-v2/aws"

	"github.com/failoverbot/failoverbot/incident"
)

// late says that a call's time is up, by the clock. A process that was stopped in the
// middle of a call and goes on later must not send it: by then others have looked
// whether it happened. The timer behind the context may not have run by then. The
// times are compared as a wall clock shows them, for a machine that sleeps lets no
// other one go on.
func late(ctx context.Context) error {
	if end, ok := ctx.Deadline(); ok && !(incident.RealClock{}).Now().Round(0).Before(end.Round(0)) {
		return context.DeadlineExceeded
	}
	return context.Cause(ctx)
}

// punctual sends no request whose time is up.
type punctual struct{ next aws.HTTPClient }

// Do is that of next.
func (p punctual) Do(r *http.Request) (*http.Response, error) {
	if err := late(r.Context()); err != nil {
		return nil, err
	}
	return p.next.Do(r)
}
