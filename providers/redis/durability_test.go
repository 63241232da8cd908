package redis_test

import (
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/alicebob/miniredis/v2/server"

	"github.com/failoverbot/failoverbot/incident"
	"github.com/failoverbot/failoverbot/providers/redis"
	"github.com/failoverbot/failoverbot/providers/redis/redistest"
)

func TestDurabilityOfARealServer(t *testing.T) {
	for name, c := range map[string]struct {
		options []redistest.Option
		want    incident.Durability
		says    []string
		local   bool // by a server older than 7.2
		how     string
	}{
		"always": {
			options: []redistest.Option{redistest.Fsync("always")},
			want:    incident.Durability{AppendOnly: true, Fsync: "always"},
			says:    []string{"append-only file, fsync always: what it has confirmed is on its disk."},
			local:   true, how: "always",
		},
		"always, with pauses": {
			options: []redistest.Option{redistest.Fsync("always"), redistest.Args("--no-appendfsync-on-rewrite", "yes")},
			want:    incident.Durability{AppendOnly: true, Fsync: "always"},
			says:    []string{"fsync always", "set no-appendfsync-on-rewrite no"},
			how:     "not during a rewrite",
		},
		"everysec": {
			options: []redistest.Option{redistest.Fsync("everysec")},
			want:    incident.Durability{AppendOnly: true, Fsync: "everysec"},
			says:    []string{"append-only file, fsync everysec: a crash of the server can lose the last second."},
			how:     "appendfsync everysec: not known to be on disk; WAITAOF needs Redis 7.2",
		},
		"left to the system": {
			options: []redistest.Option{redistest.Fsync("no")},
			want:    incident.Durability{AppendOnly: true, Fsync: "no"},
			says:    []string{"operating system"},
			how:     "appendfsync no",
		},
		"nothing": {
			options: []redistest.Option{redistest.Args("--appendonly", "no")},
			want:    incident.Durability{Volatile: true},
			says:    []string{"no append-only file and no snapshots", "Set appendonly yes"},
			how:     "no append-only file",
		},
		"snapshots": {
			options: []redistest.Option{redistest.Args("--appendonly", "no", "--save", "3600 1")},
			want:    incident.Durability{Volatile: true},
			says:    []string{"since the last snapshot"},
			how:     "no append-only file",
		},
		"eviction": {
			options: []redistest.Option{redistest.Args("--maxmemory-policy", "allkeys-lru")},
			want:    incident.Durability{AppendOnly: true, Fsync: "everysec"},
			says:    []string{"allkeys-lru", "noeviction"},
			how:     "everysec",
		},
		// What managed services do.
		"CONFIG refused": {
			options: []redistest.Option{redistest.Args("--rename-command", "CONFIG", "")},
			want:    incident.Durability{AppendOnly: true},
			says:    []string{"append-only file, fsync setting not told"},
			how:     "appendfsync not told: not known to be on disk",
		},
		"CONFIG and INFO refused": {
			options: []redistest.Option{redistest.Args("--rename-command", "CONFIG", "", "--rename-command", "INFO", "")},
			want:    incident.Durability{},
			says:    []string{"does not tell whether it keeps an append-only file", "unknown"},
			how:     "does not tell",
		},
	} {
		t.Run(name, func(t *testing.T) {
			l := open(t, redis.Options{URL: redistest.Server(t, c.options...)})
			d, err := l.Durability(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			version, ok := strings.CutPrefix(d.Server, "redis ")
			if !ok || strings.Count(version, ".") != 2 || !strings.HasPrefix(d.Says, "Redis "+version) {
				t.Errorf("server is %q and %q", d.Server, d.Says)
			}
			for _, want := range c.says {
				if !strings.Contains(d.Says, want) {
					t.Errorf("%q does not say %q", d.Says, want)
				}
			}
			c.want.Server, c.want.Says = d.Server, d.Says
			if d != c.want {
				t.Errorf("got %+v, want %+v", d, c.want)
			}

			w := write(0, "r1", "a")
			w.Secure = true
			got, err := l.Append(t.Context(), w)
			if err != nil {
				t.Fatal(err)
			}
			how := got.Secured.How
			if strings.HasPrefix(how, "WAITAOF: ") { // 7.2 or later obtains it with any setting
				if !got.Secured.Local || !d.AppendOnly {
					t.Errorf("secured %+v", got.Secured)
				}
				return
			}
			if got.Secured.Local != c.local || !strings.Contains(how, c.how) || got.Secured.Replicas != 0 {
				t.Errorf("secured %+v, want local %t and %q", got.Secured, c.local, c.how)
			}
		})
	}
}

func TestDurabilityOfMiniredis(t *testing.T) {
	l := open(t, redis.Options{URL: "redis://" + redistest.Mini(t).Addr()})
	d, err := l.Durability(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if d.Server != "miniredis" || !d.Volatile || d.AppendOnly || !strings.Contains(d.Says, "everything is lost") {
		t.Errorf("got %+v", d)
	}
}

func TestReplicaConfirms(t *testing.T) {
	main := redistest.Start(t, redistest.Fsync("always"), redistest.Args("--repl-diskless-sync-delay", "0"))
	host, port, _ := strings.Cut(main.Addr, ":")
	replica := client(t, redistest.Server(t, redistest.Args("--replicaof", host+" "+port)))
	c := client(t, main.URL)
	for n := int64(0); n == 0; { // until it has the copy that replication begins with
		if err := c.Set(t.Context(), "warm", "up", 0).Err(); err != nil {
			t.Fatal(err)
		}
		var err error
		if n, err = c.Wait(t.Context(), 1, 100*time.Millisecond).Result(); err != nil {
			t.Fatal(err)
		}
	}
	l := open(t, redis.Options{URL: main.URL})
	d, err := l.Durability(t.Context())
	if err != nil || d.Replicas != 1 || !strings.Contains(d.Says, "1 replica follows") {
		t.Errorf("got %+v, %v", d, err)
	}
	w := write(0, "r1", "a")
	w.Secure = true
	for _, repeat := range []bool{false, true} {
		got, err := l.Append(t.Context(), w)
		if err != nil || got.Repeat != repeat || !got.Secured.Local || got.Secured.Replicas != 1 {
			t.Errorf("secured append returned %+v, %v", got, err)
		}
		if n, err := replica.XLen(t.Context(), "{fb}:INC-2026-0042:log").Result(); err != nil || n != 1 {
			t.Errorf("the replica has %d events, %v", n, err)
		}
	}
}

// scripted is a server that says what it is told to, for versions that the
// machine does not have. It knows the old protocol only.
type scripted struct {
	addr string
	mu   sync.Mutex
	said map[*server.Peer][]string // commands of each connection
}

func script(t *testing.T, version, aof string, replicas int, waitAOF func(c *server.Peer), wait int) *scripted {
	t.Helper()
	srv, err := server.NewServer("127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(srv.Close)
	s := &scripted{addr: srv.Addr().String(), said: map[*server.Peer][]string{}}
	answers := map[string]func(c *server.Peer, args []string){
		"PING": func(c *server.Peer, _ []string) { c.WriteInline("PONG") },
		"EVALSHA": func(c *server.Peer, args []string) {
			if strings.Contains(strings.Join(args, " "), "{index}") {
				c.WriteInt(1)
				return
			}
			c.WriteLen(2)
			c.WriteBulk("written")
			c.WriteInt(1)
		},
		"INFO": func(c *server.Peer, _ []string) {
			c.WriteBulk("# Server\r\nredis_version:" + version + "\r\naof_enabled:" + aof + "\r\nconnected_slaves:" + strconv.Itoa(replicas) + "\r\n")
		},
		"CONFIG": func(c *server.Peer, args []string) {
			if args[1] == "appendfsync" {
				c.WriteStrings([]string{args[1], "everysec"})
				return
			}
			c.WriteLen(0)
		},
		"WAITAOF": func(c *server.Peer, _ []string) { waitAOF(c) },
		"WAIT":    func(c *server.Peer, _ []string) { c.WriteInt(wait) },
	}
	for name, answer := range answers {
		if err := srv.Register(name, func(c *server.Peer, cmd string, args []string) {
			s.mu.Lock()
			if cmd == "EVALSHA" {
				s.said[c] = append(s.said[c], cmd)
			} else {
				s.said[c] = append(s.said[c], strings.Join(append([]string{cmd}, args...), " "))
			}
			s.mu.Unlock()
			answer(c, args)
		}); err != nil {
			t.Fatal(err)
		}
	}
	return s
}

// after returns what came after the last script on the connection that carried
// word, without the questions.
func (s *scripted) after(word string) []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, said := range s.said {
		if !slices.ContainsFunc(said, func(c string) bool { return strings.HasPrefix(c, word) }) {
			continue
		}
		for i, c := range slices.Backward(said) {
			if c == "EVALSHA" {
				return slices.DeleteFunc(slices.Clone(said[i+1:]), func(c string) bool {
					return strings.HasPrefix(c, "INFO") || strings.HasPrefix(c, "CONFIG")
				})
			}
		}
	}
	return nil
}

func TestSecuredAsks(t *testing.T) {
	counts := func(local, replicas int) func(*server.Peer) {
		return func(c *server.Peer) {
			c.WriteLen(2)
			c.WriteInt(local)
			c.WriteInt(replicas)
		}
	}
	refuses := func(c *server.Peer) { c.WriteError("ERR WAITAOF cannot be used now") }
	const second = "1000"
	for name, c := range map[string]struct {
		version  string
		aof      string
		replicas int
		waitAOF  func(*server.Peer)
		wait     int
		asks     []string
		want     incident.Secured
	}{
		"on both disks": {
			"7.2.4", "1", 1, counts(1, 1), 0,
			[]string{"WAITAOF 1 1 " + second},
			incident.Secured{Local: true, Replicas: 1, How: "WAITAOF: on the server's disk; on the disk of 1 of 1 replica"},
		},
		"alone": {
			"10.0.1", "1", 0, counts(1, 0), 0,
			[]string{"WAITAOF 1 0 " + second},
			incident.Secured{Local: true, How: "WAITAOF: on the server's disk; no replica"},
		},
		"disk too slow, replica in memory": {
			"8.2.0", "1", 2, counts(0, 0), 1,
			[]string{"WAITAOF 1 2 " + second, "WAIT 2 " + second},
			incident.Secured{Replicas: 1, How: "WAITAOF: not on the server's disk within 1s; on the disk of 0 of 2 replicas; WAIT: confirmed by 1 of 2 replicas"},
		},
		"refused": {
			"7.2.4", "1", 0, refuses, 0,
			[]string{"WAITAOF 1 0 " + second},
			incident.Secured{How: "WAITAOF: ERR WAITAOF cannot be used now; no replica"},
		},
		"no file": {
			"7.4.0", "0", 1, refuses, 1,
			[]string{"WAIT 1 " + second},
			incident.Secured{Replicas: 1, How: "no append-only file; WAIT: confirmed by 1 of 1 replica"},
		},
		"too old": {
			"6.2.14", "1", 1, refuses, 0,
			[]string{"WAIT 1 " + second},
			incident.Secured{How: "appendfsync everysec: not known to be on disk; WAITAOF needs Redis 7.2; WAIT: confirmed by 0 of 1 replica"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			s := script(t, c.version, c.aof, c.replicas, c.waitAOF, c.wait)
			l := open(t, redis.Options{URL: "redis://" + s.addr})
			w := write(0, "r1", "a")
			w.Secure = true
			got, err := l.Append(t.Context(), w)
			if err != nil {
				t.Fatal(err)
			}
			if got.Secured != c.want {
				t.Errorf("secured\n got %+v\nwant %+v", got.Secured, c.want)
			}
			// On the connection that the append went by: elsewhere it means nothing.
			if asked := s.after("WAIT"); !slices.EqualFunc(asked, c.asks, strings.EqualFold) {
				t.Errorf("asked %q, want %q", asked, c.asks)
			}
		})
	}
}
