package sim

import (
	"bufio"
	"io"
	"net"
	"strings"
	"time"

	"github.com/failoverbot/failoverbot/incident"
)

// CacheReads is what the nodes of a replication group read in a minute.
type CacheReads struct {
	At     time.Time `json:"at"`
	Hits   float64   `json:"hits"`
	Misses float64   `json:"misses"`
}

const cacheReads = 6000 // of all nodes in a minute, in either Region

// cacheHost is the name of the endpoint of a Region's replication group.
func cacheHost(region string) string {
	return "ecommerce-cache.pretend." + region + ".cache.amazonaws.com"
}

// cacheNodeNames are the nodes of a replication group.
func cacheNodeNames(group string) []string { return []string{group + "-0001-001", group + "-0001-002"} }

// publishReads writes the datapoints of what caches read.
func (s *State) publishReads() {
	const keep = 200
	for i := range s.Cache.Members {
		m := &s.Cache.Members[i]
		if n := len(m.Published); m.Unread || !s.stands(m.Region) || n > 0 && m.Published[n-1].At.Equal(s.At) {
			continue
		}
		m.Published = append(m.Published, CacheReads{s.At, cacheReads * m.HitPercent / 100, cacheReads * (100 - m.HitPercent) / 100})
		if n := len(m.Published); n > keep {
			m.Published = append([]CacheReads(nil), m.Published[n-keep:]...)
		}
	}
}

// cacheReadings are the metrics of what the Region's cache reads, of each node and once
// more of the node alone, as ElastiCache has them.
func (r request) cacheReadings() []series {
	m := r.Cache.Member(r.region)
	if m == nil || len(m.Published) == 0 {
		return nil
	}
	names := cacheNodeNames(m.Group)
	var all []series
	for _, node := range names {
		var hits, misses []Point
		for _, p := range m.Published {
			hits = append(hits, Point{At: p.At, Region: r.region, Value: p.Hits / float64(len(names))})
			misses = append(misses, Point{At: p.At, Region: r.region, Value: p.Misses / float64(len(names))})
		}
		for _, of := range []map[string]string{{"CacheClusterId": node}, {"CacheClusterId": node, "CacheNodeId": "0001"}} {
			all = append(all, series{"AWS/ElastiCache", "CacheHits", of, hits}, series{"AWS/ElastiCache", "CacheMisses", of, misses})
		}
	}
	return all
}

// listenCache is the endpoint of a Region's cache, which answers PING.
func (w *World) listenCache(region string) error {
	name := "cache " + region
	l, err := w.listenTCP(name)
	if err != nil {
		return err
	}
	w.servers.listen[name] = l.Addr()
	w.servers.wait.Go(func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return // it was closed
			}
			w.servers.wait.Go(func() { w.serveCache(conn, region) })
		}
	})
	w.servers.close = append(w.servers.close, l.Close)
	return nil
}

// serveCache answers one command of a connection, and ends it.
func (w *World) serveCache(conn net.Conn, region string) {
	defer func() { _ = conn.Close() }()
	_ = conn.SetDeadline(incident.RealClock{}.Now().Add(time.Minute)) // somebody who says nothing keeps no world open
	in := bufio.NewReader(io.LimitReader(conn, 64))
	for range 3 { // *1, $4, PING
		line, err := in.ReadString('\n')
		if err != nil {
			return
		}
		if strings.EqualFold(strings.TrimSpace(line), "PING") {
			break
		}
	}
	w.lock()
	m, said := w.state.Cache.Member(region), "+PONG"
	if m != nil && m.Says != "" {
		said = m.Says
	}
	w.unlock()
	_, _ = io.WriteString(conn, said+"\r\n")
}
