package rehearsal

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/failoverbot/failoverbot/incident"
)

// Every endpoint of the Region that is left refuses, or never answers: an unplanned
// failover is completed and waits for none of them, as its readiness had said.
func TestAnUnplannedFailoverWaitsForNothingInTheRegionThatIsLeft(t *testing.T) {
	raw, err := os.ReadFile("../../providers/sim/scenarios/region-loss.yaml")
	if err != nil {
		t.Fatal(err)
	}
	scenario := string(raw)
	events := scenario[strings.Index(scenario, "\nevents:"):strings.Index(scenario, "\npeople:")]
	took := map[string]Result{}
	for _, kind := range []string{"refuse", "hang"} {
		t.Run(kind, func(t *testing.T) {
			file := filepath.Join(t.TempDir(), "region-loss-"+kind+".yaml")
			lost := "\nevents:\n  - {at: 5s, lose: us-east-1}\n  - {at: 5s, fault: {region: us-east-1, kind: " + kind + "}}\n"
			if err := os.WriteFile(file, []byte(strings.Replace(scenario, events, lost, 1)), 0o600); err != nil {
				t.Fatal(err)
			}
			p := rehearsed(t, file)
			if p.err != nil {
				t.Fatalf("%v\n%s", p.err, p.printed)
			}
			p.apartFrom(t, "us-east-1")
			answered, tried := 0, 0
			for _, c := range p.calls {
				if c.Region == "us-east-1" && (strings.HasPrefix(c.System, "aws.") || c.System == "kubernetes") && c.Time.After(p.state().DeclaredAt) {
					if tried++; c.Error == "" {
						answered++
					}
				}
			}
			if answered > 0 || tried == 0 {
				t.Errorf("%d of %d calls to us-east-1 were answered", answered, tried)
			}
			if st := p.state().Step("endpoints"); st.Status != incident.Done || !strings.Contains(st.Finished.Summary, "in us-east-1 that an unplanned run does not wait for") {
				t.Errorf("the readiness said %s, %+v", st.Status, st.Finished)
			}
			took[kind] = p.results[0]
		})
	}
	// What never answers costs no more than what refuses at once, on the way that matters.
	if r, h := took["refuse"].Total, took["hang"].Total; r == 0 || h > 1.1*r {
		t.Errorf("with endpoints that hang it took %.0f s, with such that refuse %.0f s", h, r)
	}
	t.Logf("to Go and from there to mitigated: %.0f and %.0f s where all refuse, %.0f and %.0f s where all hang",
		took["refuse"].Decide, took["refuse"].Total, took["hang"].Decide, took["hang"].Total)
}
