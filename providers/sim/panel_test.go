package sim

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"
)

// panel asks the panel of a fresh world.
func panel(t *testing.T) (w *World, c *Clock, ask func(method, body string) (int, View, string)) {
	t.Helper()
	scn, err := Load("region-degraded")
	if err != nil {
		t.Fatal(err)
	}
	c = NewClock(scn.StartTime(), Max)
	t.Cleanup(c.Close)
	if w, err = New(scn, c, Options{}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = w.Close() })
	h := w.Panel(func(Breakage) {})
	return w, c, func(method, body string) (int, View, string) {
		t.Helper()
		r := httptest.NewRequestWithContext(t.Context(), method, "/", strings.NewReader(body))
		r.Header.Set("Content-Type", "application/json")
		out := httptest.NewRecorder()
		h.ServeHTTP(out, r)
		var v View
		if out.Code == http.StatusOK {
			if err := json.Unmarshal(out.Body.Bytes(), &v); err != nil {
				t.Fatal(err)
			}
		}
		return out.Code, v, out.Body.String()
	}
}

func TestThePanelShowsTheWorld(t *testing.T) {
	_, _, ask := panel(t)
	code, v, text := ask(http.MethodGet, "")
	if code != http.StatusOK || len(v.Regions) != 2 || v.Writer != "us-east-1" || v.Cache != "us-east-1" || v.Zone != "us-east-1" {
		t.Fatalf("%d %s", code, text)
	}
	home, standby := v.Regions[0], v.Regions[1]
	if home.Name != "us-east-1" || home.Share != 100 || home.Broken != "" || home.Degraded == "" || home.DBState != "writer" {
		t.Errorf("home is %+v", home)
	}
	if standby.Share != 0 || standby.Broken == "" || standby.CacheIs != "secondary" {
		t.Errorf("the standby is %+v", standby)
	}
	for _, s := range home.Services {
		if s.Ready != s.Needed || s.Ready == 0 {
			t.Errorf("%s has %d of %d ready", s.Name, s.Ready, s.Needed)
		}
	}
}

func TestWhatIsBrokenByHandCanBeMended(t *testing.T) {
	for _, c := range []struct {
		claim, what string
		broken      func(View) bool
	}{
		{"a Region is lost", `"do":"lose","what":"us-east-1"`, func(v View) bool { return v.Regions[0].Lost && !v.Replicates }},
		{"a Region half works", `"do":"degrade","what":"us-west-2"`, func(v View) bool { return v.Regions[1].Degraded != "" }},
		{"replication stops", `"do":"replication"`, func(v View) bool { return v.Stopped && !v.Replicates }},
		{"a resolver lies", `"do":"resolver","what":"Google"`, func(v View) bool { return v.Resolvers[0].Held && v.Resolvers[0].Region != v.Zone }},
		{"an API throttles", `"do":"throttle","what":"aws.rds"`, func(v View) bool { return v.Throttled[0].On }},
	} {
		t.Run(c.claim, func(t *testing.T) {
			_, _, ask := panel(t)
			for _, on := range []string{"true", "false"} {
				code, v, text := ask(http.MethodPost, `{`+c.what+`,"on":`+on+`}`)
				if code != http.StatusOK || c.broken(v) != (on == "true") {
					t.Errorf("on %s: %d %s", on, code, text)
				}
			}
		})
	}
}

func TestAResolverThatLiesIsWrongWhenever(t *testing.T) {
	w, c, ask := panel(t)
	lie := func(resolver string) {
		t.Helper()
		if code, _, text := ask(http.MethodPost, `{"do":"resolver","what":"`+resolver+`","on":true}`); code != http.StatusOK {
			t.Fatal(text)
		}
	}
	wrong := func() (names []string) {
		v := w.View()
		for _, r := range v.Resolvers {
			if r.Region != v.Zone {
				names = append(names, r.Name)
			}
		}
		return names
	}
	lie("Cloudflare")
	if got := wrong(); !slices.Equal(got, []string{"Cloudflare"}) {
		t.Errorf("before the zone has moved %v are wrong", got)
	}
	if code, _, text := ask(http.MethodPost, `{"do":"lose","what":"us-east-1","on":true}`); code != http.StatusOK {
		t.Fatal(text)
	}
	busy := c.Busy()
	err := c.Sleep(t.Context(), 5*time.Minute)
	busy()
	if err != nil {
		t.Fatal(err)
	}
	if got := wrong(); w.View().Zone != "us-west-2" || !slices.Equal(got, []string{"Cloudflare"}) {
		t.Errorf("the zone answers %s, and %v are wrong", w.View().Zone, got)
	}
	lie("Google") // it comes too late to keep what was true before
	if got := wrong(); !slices.Equal(got, []string{"Google", "Cloudflare"}) {
		t.Errorf("after the zone has moved %v are wrong", got)
	}
}

func TestThePanelSaysWhatWouldWork(t *testing.T) {
	_, _, ask := panel(t)
	for body, says := range map[string]string{
		`{"do":"lose","what":"mars-1"}`:       "us-east-1, us-west-2",
		`{"do":"throttle","what":"aws.mars"}`: "aws.rds",
		`{"do":"resolver","what":"Eve"}`:      "Cloudflare",
		`{"do":"explode"}`:                    "lose, degrade, replication",
		`{`:                                   "in JSON",
	} {
		if code, _, text := ask(http.MethodPost, body); code != http.StatusBadRequest || !strings.Contains(text, says) {
			t.Errorf("%s: %d %s", body, code, text)
		}
	}
	if code, _, _ := ask(http.MethodDelete, ""); code != http.StatusMethodNotAllowed {
		t.Errorf("DELETE: %d", code)
	}
}
