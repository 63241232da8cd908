package providers_test

import (
	"strings"
	"testing"

	"github.com/failoverbot/failoverbot/providers"
	"github.com/failoverbot/failoverbot/providers/dns"
)

// The resolver of a VPC answers inside of it alone. Of each that is asked it is told which
// Region it gives out.
func TestTheResolverOfAVPCIsAskedFromInsideOfIt(t *testing.T) {
	for inside, want := range map[bool]string{false: "skipped: only reachable inside a VPC", true: "us-east-1: 203.0.113.10 203.0.113.11"} {
		w := newWorld(t)
		ends := w.connections()
		ends.InVPC = inside
		cat := providers.Catalog(ends)
		_, c := w.call(t, "resolvers")
		set(t, dns.Platform, func(s *dns.Settings) {
			for i := range s.Resolvers {
				if s.Resolvers[i].VPCOnly {
					s.Resolvers[i].Addr = s.Resolvers[0].Addr // nothing of the pretend world is link-local
				}
			}
		})(&c)
		o, _, err := cat["dns.resolvers"].Look(t.Context(), c)
		if err != nil || o.Evidence["AWS VPC"] != want {
			t.Errorf("inside %t: %q %v, want %q", inside, o.Evidence["AWS VPC"], err, want)
		}
		for _, name := range []string{"Google", "Cloudflare", "OpenDNS"} {
			if !strings.HasPrefix(o.Evidence[name], "us-east-1: ") || !strings.Contains(o.Summary, name+" us-east-1") {
				t.Errorf("of %s it is told %q: %s", name, o.Evidence[name], o.Summary)
			}
		}
	}
}
