package dns

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/miekg/dns"

	"github.com/failoverbot/failoverbot/incident"
	"github.com/failoverbot/failoverbot/incident/runbook"
)

// serve answers on UDP and TCP of one port on loopback.
func serve(t *testing.T, h dns.HandlerFunc) string {
	t.Helper()
	var tcp net.Listener
	var udp net.PacketConn
	var err error
	for range 20 { // a port that is free for TCP may be taken for UDP
		if tcp, err = net.Listen("tcp", "127.0.0.1:0"); err != nil {
			t.Fatal(err)
		}
		if udp, err = net.ListenPacket("udp", tcp.Addr().String()); err == nil {
			break
		}
		_ = tcp.Close()
	}
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range []*dns.Server{{Listener: tcp, Handler: h}, {PacketConn: udp, Handler: h}} {
		up := make(chan struct{})
		s.NotifyStartedFunc = func() { close(up) }
		go func() { _ = s.ActivateAndServe() }()
		<-up
		t.Cleanup(func() { _ = s.Shutdown() })
	}
	return tcp.Addr().String()
}

func record(t *testing.T, s string) dns.RR {
	t.Helper()
	r, err := dns.NewRR(s)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func client() *Client { return NewClient(nil, incident.RealClock{}) }

func addrs(list ...string) []netip.Addr {
	var out []netip.Addr
	for _, s := range list {
		out = append(out, netip.MustParseAddr(s))
	}
	return out
}

func TestBothFamiliesThroughAnAliasWhateverTheCase(t *testing.T) {
	server := serve(t, func(w dns.ResponseWriter, q *dns.Msg) {
		m := new(dns.Msg).SetReply(q)
		m.Answer = append(m.Answer, record(t, "API.Example.com. 60 IN CNAME alb.Example.com."))
		switch q.Question[0].Qtype {
		case dns.TypeA:
			m.Answer = append(m.Answer, record(t, "ALB.example.com. 60 IN A 198.51.100.11"), record(t, "alb.example.com. 60 IN A 198.51.100.10"),
				record(t, "other.example.com. 60 IN A 203.0.113.1"))
		case dns.TypeAAAA:
			m.Answer = append(m.Answer, record(t, "alb.example.com. 60 IN AAAA 2001:db8::10"))
		}
		_ = w.WriteMsg(m)
	})
	got, err := client().addresses(t.Context(), server, "api.example.com", false)
	if err != nil || list(got) != "198.51.100.10 198.51.100.11 2001:db8::10" {
		t.Errorf("%s %v", list(got), err)
	}
}

func TestAnAnswerThatDoesNotFitIsAskedForOverTCP(t *testing.T) {
	var tcp atomic.Int64
	server := serve(t, func(w dns.ResponseWriter, q *dns.Msg) {
		m := new(dns.Msg).SetReply(q)
		if opt := q.IsEdns0(); opt == nil || opt.UDPSize() != 1232 {
			t.Errorf("EDNS %v", opt)
		}
		if _, ok := w.RemoteAddr().(*net.TCPAddr); ok {
			tcp.Add(1)
			if q.Question[0].Qtype == dns.TypeA {
				m.Answer = append(m.Answer, record(t, "api.example.com. 60 IN A 198.51.100.10"))
			}
		} else {
			m.Truncated = true
		}
		_ = w.WriteMsg(m)
	})
	got, err := client().addresses(t.Context(), server, "api.example.com", false)
	if err != nil || list(got) != "198.51.100.10" || tcp.Load() != 2 {
		t.Errorf("%s %v, %d questions over TCP", list(got), err, tcp.Load())
	}
}

func TestAFailingServerIsAskedThriceAndItsFaultIsNotAnAnswer(t *testing.T) {
	var asked atomic.Int64
	server := serve(t, func(w dns.ResponseWriter, q *dns.Msg) {
		asked.Add(1)
		_ = w.WriteMsg(new(dns.Msg).SetRcode(q, dns.RcodeServerFailure))
	})
	got, err := client().addresses(t.Context(), server, "api.example.com", true)
	if err == nil || !strings.Contains(err.Error(), "SERVFAIL") || asked.Load() != tries {
		t.Errorf("%v %v after %d questions", got, err, asked.Load())
	}
}

func TestAServerThatSaysNothingIsGivenUp(t *testing.T) {
	server := serve(t, func(dns.ResponseWriter, *dns.Msg) {})
	gone := errors.New("nobody waits any more")
	ctx, stop := context.WithCancelCause(t.Context())
	stop(gone)
	if _, err := client().addresses(ctx, server, "api.example.com", true); !errors.Is(err, gone) {
		t.Errorf("%v", err)
	}
}

func TestTheFirstServerThatKnowsIsEnough(t *testing.T) {
	dead := serve(t, func(w dns.ResponseWriter, q *dns.Msg) { _ = w.WriteMsg(new(dns.Msg).SetRcode(q, dns.RcodeRefused)) })
	good := serve(t, func(w dns.ResponseWriter, q *dns.Msg) {
		m := new(dns.Msg).SetReply(q)
		if q.RecursionDesired {
			t.Error("a zone's server was asked to recurse")
		}
		if q.Question[0].Qtype == dns.TypeA {
			m.Answer = append(m.Answer, record(t, "api.example.com. 60 IN A 198.51.100.10"))
		}
		_ = w.WriteMsg(m)
	})
	var top runbook.Topology
	servers := func(all ...string) {
		t.Helper()
		if err := Platform.Freeze(&top, Settings{Nameservers: all}); err != nil {
			t.Fatal(err)
		}
	}
	servers(dead, good)
	if got, err := client().Authoritative(t.Context(), top, "api.example.com"); err != nil || list(got) != "198.51.100.10" {
		t.Errorf("%v %v", got, err)
	}
	servers(dead)
	if got, err := client().Authoritative(t.Context(), top, "api.example.com"); err == nil {
		t.Errorf("a refusal became %v", got)
	}
}

func TestWhereAddressesBelong(t *testing.T) {
	source, target := addrs("203.0.113.10", "203.0.113.11"), addrs("198.51.100.10", "198.51.100.11")
	for _, c := range []struct {
		got  []netip.Addr
		want string
	}{
		{addrs("198.51.100.10"), "dr"},
		{addrs("203.0.113.10", "203.0.113.11"), "primary"},
		{addrs("203.0.113.10", "198.51.100.10"), "mixed"},
		{addrs("192.0.2.1"), "unknown"},
		{addrs("192.0.2.1", "198.51.100.10"), "unknown"},
		{nil, "nothing"},
	} {
		if got := where(c.got, source, target); got != c.want {
			t.Errorf("%v: %s, want %s", c.got, got, c.want)
		}
	}
}

// A name that is an alias into another zone has no address at its own servers: that is
// said, and not taken for a name without any.
func TestACNAMEThatLeavesTheZoneIsSaid(t *testing.T) {
	server := serve(t, func(w dns.ResponseWriter, q *dns.Msg) {
		m := new(dns.Msg).SetReply(q)
		m.Answer = append(m.Answer, record(t, "api.example.com. 60 IN CNAME lb.example.net."))
		_ = w.WriteMsg(m)
	})
	got, err := client().addresses(t.Context(), server, "api.example.com", false)
	if len(got) > 0 || err == nil || !strings.Contains(err.Error(), "gives api.example.com as a CNAME of lb.example.net and no address: failover records have to be alias records") {
		t.Errorf("%s %v", list(got), err)
	}
}
