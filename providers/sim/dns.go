package sim

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"time"

	"github.com/miekg/dns"
)

// The pretend name servers: two of the zone's own, and public resolvers.
var (
	nameserverNames = []string{"ns-1", "ns-2"}
	resolverNames   = []string{"Google", "Cloudflare", "OpenDNS"}
)

// contrary is the lie of a resolver that never answers what the zone does, so that
// it is wrong whenever somebody looks.
const contrary = "contrary"

const recordTTL = 60 // an alias to a load balancer has the load balancer's

// listenDNS answers on UDP and TCP of one port.
func (w *World) listenDNS(name string, h dns.HandlerFunc) error {
	var last error
	for range 20 { // a port that is free for TCP may be taken for UDP
		l, err := w.listenTCP(name)
		if err != nil {
			return err
		}
		p, err := net.ListenPacket("udp", l.Addr().String())
		if err != nil {
			last = err
			w.lock()
			delete(w.state.Ports, name)
			w.unlock()
			_ = l.Close()
			continue
		}
		w.servers.listen[name] = l.Addr()
		for _, s := range []*dns.Server{{Listener: l, Handler: h}, {PacketConn: p, Handler: h}} {
			up := make(chan struct{})
			s.NotifyStartedFunc = func() { close(up) }
			down := make(chan error, 1)
			w.servers.wait.Go(func() { down <- s.ActivateAndServe() })
			select {
			case <-up:
			case err := <-down:
				return fmt.Errorf("serve the pretend %s: %w", name, err)
			}
			w.servers.close = append(w.servers.close, s.Shutdown)
		}
		return nil
	}
	return fmt.Errorf("listen for the pretend %s: %w", name, last)
}

// zoneServer is one of the zone's own servers.
func (w *World) zoneServer(name string) dns.HandlerFunc {
	return func(out dns.ResponseWriter, q *dns.Msg) {
		w.answerDNS(name, out, q, true, func(s *State, question string) (string, uint32) {
			rec := s.given(question)
			if rec == nil {
				return "", 0
			}
			return regionOf(rec), uint32(cmp.Or(deref(rec.TTL), s.DNS.BalancerTTL, recordTTL))
		})
	}
}

// resolver is a public resolver. The name is popular, so its cache always holds
// an answer, fetched at a second of the minute that is the resolver's own.
func (w *World) resolver(name string) dns.HandlerFunc {
	return func(out dns.ResponseWriter, q *dns.Msg) {
		w.answerDNS(name, out, q, false, func(s *State, question string) (string, uint32) {
			region, left := s.cached(name)
			if !sameName(question, recordName) {
				region = s.resolve(question)
			}
			return region, left
		})
	}
}

// lie makes a public resolver lie, or tell the truth again.
func (d *DNS) lie(r Resolver) {
	if r.Answers == "" {
		delete(d.Lies, r.Name)
		return
	}
	if d.Lies == nil {
		d.Lies = map[string]string{}
	}
	d.Lies[r.Name] = r.Answers
}

// cached is the Region that a public resolver answers for the public name now,
// and for how many seconds more.
func (s *State) cached(resolver string) (region string, left uint32) {
	phase := time.Duration(draw(s.Seed, recordTTL, "fetches", resolver)) * time.Second
	fetched := s.At.Add(-phase).Truncate(recordTTL * time.Second).Add(phase)
	left = uint32(recordTTL - s.At.Sub(fetched)/time.Second)
	switch lie := s.DNS.Lies[resolver]; lie {
	case "":
	case contrary:
		return otherRegion(s.ZoneAnswer()), left
	default:
		return lie, left
	}
	for _, a := range s.DNS.History {
		if !a.At.After(fetched) {
			region = a.Region
		}
	}
	return region, left
}

// answerDNS answers one question.
func (w *World) answerDNS(server string, out dns.ResponseWriter, q *dns.Msg, authoritative bool, look func(s *State, name string) (region string, ttl uint32)) {
	m := new(dns.Msg)
	m.SetReply(q)
	m.Authoritative = authoritative
	m.RecursionAvailable = !authoritative
	if opt := q.IsEdns0(); opt != nil {
		m.SetEdns0(1232, opt.Do())
	}
	if len(q.Question) != 1 {
		m.Rcode = dns.RcodeFormatError
		_ = out.WriteMsg(m)
		return
	}
	question := q.Question[0]
	name := strings.TrimSuffix(strings.ToLower(question.Name), ".")
	c := Call{System: "dns", Operation: dns.TypeToString[question.Qtype] + " " + name, Target: server}
	// No latency: the client's own patience is real time.
	err := w.call(context.Background(), c, 0, 0, func(s *State) (bool, error) {
		inZone := name == zoneName || strings.HasSuffix(name, "."+zoneName)
		region, ttl := look(s, name)
		if region == "" {
			if r := regionOfALB(name); r != "" { // amazonaws.com's own servers would say so
				region = r
			}
		}
		soa := &dns.SOA{
			Hdr: dns.RR_Header{Name: zoneName + ".", Rrtype: dns.TypeSOA, Class: dns.ClassINET, Ttl: 900},
			Ns:  "ns-1." + zoneName + ".", Mbox: "awsdns-hostmaster.amazon.com.", Serial: 1, Refresh: 7200, Retry: 900, Expire: 1209600, Minttl: 60,
		}
		head := func(t uint16, ttl uint32) dns.RR_Header {
			return dns.RR_Header{Name: question.Name, Rrtype: t, Class: dns.ClassINET, Ttl: ttl}
		}
		switch {
		case region != "" && question.Qtype == dns.TypeA:
			for _, ip := range addresses[region] {
				m.Answer = append(m.Answer, &dns.A{Hdr: head(dns.TypeA, ttl), A: net.ParseIP(ip)})
			}
		case name == zoneName && question.Qtype == dns.TypeSOA:
			m.Answer = append(m.Answer, soa)
		case name == zoneName && question.Qtype == dns.TypeNS:
			for _, n := range nameserverNames {
				m.Answer = append(m.Answer, &dns.NS{Hdr: head(dns.TypeNS, 172800), Ns: n + "." + zoneName + "."})
			}
		case region != "" || name == zoneName:
			m.Ns = append(m.Ns, soa) // there is the name, but nothing of this type
		case inZone:
			m.Rcode = dns.RcodeNameError
			m.Ns = append(m.Ns, soa)
		case authoritative:
			m.Rcode = dns.RcodeRefused
		default:
			m.Rcode = dns.RcodeNameError
		}
		return false, nil
	})
	if f, ok := errors.AsType[*failure](err); ok {
		switch f.kind {
		case Hang:
			return // the client's patience is real time
		case Deny, Throttle:
			m.Answer, m.Rcode = nil, dns.RcodeRefused
		default:
			m.Answer, m.Rcode = nil, dns.RcodeServerFailure
		}
	}
	_ = out.WriteMsg(m) // the client will ask again
}
