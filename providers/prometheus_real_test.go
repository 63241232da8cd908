//go:build real

package providers_test

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/failoverbot/failoverbot/incident"
	"github.com/failoverbot/failoverbot/providers"
	"github.com/failoverbot/failoverbot/providers/prometheus"
)

// A Prometheus of its own, which scrapes itself as a target of us-west-2 and something
// that is not there as one of us-east-1.
func TestARealPrometheusIsUnderstood(t *testing.T) {
	program, err := exec.LookPath("prometheus")
	if err != nil {
		t.Skip("there is no prometheus on this machine") // Debian has a package of it
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	addr := l.Addr().String()
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	config := filepath.Join(dir, "prometheus.yml")
	if err := os.WriteFile(config, []byte(fmt.Sprintf(`
global: {scrape_interval: 1s}
scrape_configs:
  - job_name: itself
    static_configs:
      - {targets: ["%s"], labels: {region: us-west-2}}
      - {targets: ["127.0.0.1:1"], labels: {region: us-east-1}}
`, addr)), 0o600); err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithTimeout(t.Context(), time.Minute)
	var said strings.Builder
	c := exec.CommandContext(ctx, program, "--config.file="+config, "--storage.tsdb.path="+filepath.Join(dir, "data"), "--web.listen-address="+addr)
	c.Stdout, c.Stderr = &said, &said
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		stop()
		_ = c.Wait() // it was killed
	})

	w := newWorld(t)
	ends := w.connections()
	ends.Clock, ends.Dial = incident.RealClock{}, nil
	cat := providers.Catalog(ends)
	look := func(region, base string) (string, incident.Verdict, error) {
		_, call := w.call(t, "prometheus")
		call.Plan.Target.Name = region
		set(t, prometheus.Platform, func(s *prometheus.Settings) { s.Regions[region] = prometheus.Region{URL: base} })(&call)
		o, _, err := cat["prometheus.targets"].Look(ctx, call)
		return o.Summary, o.Measured.Verdict, err
	}
	for { // until it has scraped itself
		summary, verdict, err := look(west, "http://"+addr)
		if err == nil && verdict == incident.Pass && strings.Contains(summary, "1 of 1 target of Prometheus in us-west-2 is up (100.0 %)") {
			break
		}
		if ctx.Err() != nil {
			t.Fatalf("%q %v\n%s", summary, err, said.String())
		}
		_ = incident.RealClock{}.Sleep(ctx, 200*time.Millisecond) // it tells nobody when it has scraped
	}
	if summary, verdict, err := look(east, "http://"+addr); err != nil || verdict != incident.Fail || !strings.Contains(summary, "0 of 1 target") || !strings.Contains(summary, "itself at 127.0.0.1:1") {
		t.Errorf("%q %s %v", summary, verdict, err)
	}
	// What Prometheus refuses, it says.
	if _, _, err := look(west, "http://"+addr+"/nowhere"); err == nil || !strings.Contains(err.Error(), fmt.Sprint("status ", http.StatusNotFound)) {
		t.Error(err)
	}
}
