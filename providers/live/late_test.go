package live

import (
	"context"
	"errors"
	"net/http"
	"testing"
	"time"
)

// thawed is the context of a call in a process that was stopped until after its end:
// the clock is past it, and no timer has run.
type thawed struct {
	context.Context
	end time.Time
}

func (c thawed) Deadline() (time.Time, bool) { return c.end, true }

// sent counts what leaves.
type sent int

func (s *sent) Do(*http.Request) (*http.Response, error) {
	*s++
	return &http.Response{StatusCode: http.StatusOK, Header: http.Header{}, Body: http.NoBody}, nil
}

func (s *sent) RoundTrip(r *http.Request) (*http.Response, error) { return s.Do(r) }

func TestNothingLeavesWhoseTimeIsUp(t *testing.T) {
	for name, c := range map[string]struct {
		ctx  context.Context
		want sent
	}{
		"up, and no timer has run": {thawed{t.Context(), time.Now().Add(-time.Millisecond)}, 0},
		"not up":                   {thawed{t.Context(), time.Now().Add(time.Hour)}, 1},
		"without an end":           {t.Context(), 1},
	} {
		for way, send := range map[string]func(s *sent, r *http.Request) (*http.Response, error){
			"AWS":        func(s *sent, r *http.Request) (*http.Response, error) { return punctual{s}.Do(r) },
			"Kubernetes": func(s *sent, r *http.Request) (*http.Response, error) { return once{next: s}.RoundTrip(r) },
		} {
			t.Run(name+"/"+way, func(t *testing.T) {
				r, err := http.NewRequestWithContext(c.ctx, http.MethodGet, "http://127.0.0.1/", nil)
				if err != nil {
					t.Fatal(err)
				}
				var left sent
				answer, err := send(&left, r)
				if err == nil {
					_ = answer.Body.Close() // it is empty
				}
				if left != c.want || c.want == 0 && !errors.Is(err, context.DeadlineExceeded) {
					t.Errorf("%d left, %v", left, err)
				}
			})
		}
	}
}
