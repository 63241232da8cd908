package pagerduty

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"unicode/utf8"

	pd "github.com/PagerDuty/go-pagerduty"

	"github.com/failoverbot/failoverbot/incident"
	"github.com/failoverbot/failoverbot/incident/text"
)

func TestPagerDutysReasonIsQuoted(t *testing.T) {
	for name, c := range map[string]struct {
		status           int
		body, want, hint string
	}{
		"errors":  {400, `{"status":"invalid event","message":"Event object is invalid","errors":["'routing_key' is invalid (must be a 32-character string)"]}`, "answered 400: Event object is invalid; 'routing_key' is invalid", "PAGERDUTY_ROUTING_KEY"},
		"another": {400, `{"message":"Event object is invalid","errors":["'payload.severity' is missing"]}`, "'payload.severity' is missing", "correct what PagerDuty names"},
		"message": {403, `{"message":"The service is disabled"}`, "answered 403: The service is disabled", "turn the service"},
		"nothing": {400, ``, "answered 400 and gave no reason", "check PAGERDUTY_ROUTING_KEY, and page by hand now"},
	} {
		t.Run(name, func(t *testing.T) {
			s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				w.WriteHeader(c.status)
				_, _ = io.WriteString(w, c.body)
			}))
			defer s.Close()
			p := New(&Settings{RoutingKey: "k", Endpoint: s.URL}, nil)
			_, err := p.client.ManageEventWithContext(t.Context(), &pd.V2Event{RoutingKey: "k", Action: "resolve", DedupKey: "x"})
			got := incident.CallErrorOf(hinted(sort(t.Context(), err), pageKey, ", and page by hand now"))
			if !strings.Contains(got.Error(), c.want) || !strings.Contains(got.Hint, c.hint) || !got.NeedsPerson {
				t.Errorf("%v; hint %q", got, got.Hint)
			}
		})
	}
}

func TestARoutingKeyThatCannotBeOneIsSaidWithoutItself(t *testing.T) {
	const good = "0123456789abcdef0123456789abcdef"
	for key, want := range map[string]string{
		good: "", `"` + good + `"`: "quotation marks", good[:20]: "20 characters", good[:16] + " " + good[17:]: "white space", good[:31] + "-": "no such key has", "": "not set",
	} {
		err := (&Settings{RoutingKey: key}).Plausible()
		if (err == nil) != (want == "") || err != nil && (!strings.Contains(err.Error(), want) || key != "" && strings.Contains(err.Error(), key)) {
			t.Errorf("%q: %v", key, err)
		}
	}
	if s := text.Shorten(strings.Repeat("ü", 2000), summaryMax); utf8.RuneCountInString(s) != summaryMax || !utf8.ValidString(s) {
		t.Error("the summary is not cut at a character")
	}
}
