package redis_test

import (
	"strings"
	"testing"

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
	for { // until it has the copy that replication begins with
		info, err := replica.Info(t.Context(), "replication").Result()
		if err != nil {
			t.Fatal(err)
		}
		if strings.Contains(info, "master_link_status:up") {
			break
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
		if n, err := replica.XLen(t.Context(), "fb:{INC-2026-0042}:log").Result(); err != nil || n != 1 {
			t.Errorf("the replica has %d events, %v", n, err)
		}
	}
}
