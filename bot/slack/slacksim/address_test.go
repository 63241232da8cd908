package slacksim_test

import (
	"io"
	"net"
	"net/http"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"github.com/failoverbot/failoverbot/bot/slack/slacksim"
)

func TestThePageIsOpenedByAnyAddressOfTheMachineAndByNoName(t *testing.T) {
	w := start(t)
	port := strings.TrimSuffix(w.URL()[strings.LastIndex(w.URL(), ":")+1:], "/")
	get := func(host, path, origin string) (int, string) {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, w.URL()+path, http.NoBody)
		if err != nil {
			t.Fatal(err)
		}
		if req.Host = host; origin != "" {
			req.Header.Set("Origin", origin)
		}
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		body, _ := io.ReadAll(resp.Body)
		return resp.StatusCode, string(body)
	}
	for host, want := range map[string]int{
		"127.0.0.1:" + port:      http.StatusOK,
		"localhost:" + port:      http.StatusOK,
		"localhost:9000":         http.StatusOK, // a port that was forwarded
		"[::1]:" + port:          http.StatusOK,
		"203.0.113.7:" + port:    http.StatusOK,
		"203.0.113.7":            http.StatusOK, // port 80
		"[2001:db8::7]:" + port:  http.StatusOK,
		"evil.example:" + port:   http.StatusForbidden,
		"evil.example":           http.StatusForbidden,
		"127.0.0.1.nip.example":  http.StatusForbidden,
		"localhost.evil.example": http.StatusForbidden,
		"2130706433:" + port:     http.StatusForbidden,
		"[evil.example]:" + port: http.StatusForbidden,
	} {
		for _, path := range []string{"", "page.js", "rehearsal/state", "rehearsal/events?wait=0"} {
			for _, origin := range []string{"", "http://" + host} {
				code, answer := get(host, path, origin)
				if code != want {
					t.Errorf("/%s at %s from %q: %d", path, host, origin, code)
				}
				if code == http.StatusForbidden && !strings.Contains(answer, w.URL()) {
					t.Errorf("where it can be opened is not said: %s", answer)
				}
			}
			if code, _ := get(host, path, "http://203.0.113.9:"+port); code != http.StatusForbidden {
				t.Errorf("/%s at %s from another origin: %d", path, host, code)
			}
		}
	}
}

func TestWhereThePageCanBeOpenedIsSaid(t *testing.T) {
	var machine []net.Addr
	for _, prefix := range []string{"127.0.0.1/8", "::1/128", "192.168.1.5/24", "fe80::1/64", "fd00::2/64", "10.1.2.3/8"} {
		ip, of, err := net.ParseCIDR(prefix)
		if err != nil {
			t.Fatal(err)
		}
		machine = append(machine, &net.IPNet{IP: ip, Mask: of.Mask})
	}
	for at, want := range map[string][]string{
		"127.0.0.1:8065":   {"http://127.0.0.1:8065/"},
		"[::1]:8065":       {"http://[::1]:8065/"},
		"192.168.1.5:8065": {"http://192.168.1.5:8065/"},
		"[::]:8065":        {"http://127.0.0.1:8065/", "http://192.168.1.5:8065/", "http://[fd00::2]:8065/", "http://10.1.2.3:8065/"},
		"0.0.0.0:8065":     {"http://127.0.0.1:8065/", "http://192.168.1.5:8065/", "http://10.1.2.3:8065/"},
	} {
		if got := slacksim.Pages(netip.MustParseAddrPort(at), machine); !slices.Equal(got, want) {
			t.Errorf("%s: %q, want %q", at, got, want)
		}
	}
}
