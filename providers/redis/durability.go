package redis

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"time"

	goredis "github.com/redis/go-redis/v9"

	"github.com/failoverbot/failoverbot/incident"
	"github.com/failoverbot/failoverbot/incident/text"
)

// securing bounds how long an append waits for more durability.
const securing = time.Second

// server is what one Redis says about itself.
type server struct {
	mini     bool
	version  string // "7.0.15"; empty when it does not say
	aof      setting
	fsync    string // always, everysec, no; empty when it does not say
	pauses   bool   // no fsync while it rewrites the file, whatever fsync says
	saves    setting
	replicas int
	evicts   string // the maxmemory-policy, if it may remove our keys
}

// setting is on, off, or not told.
type setting int

const (
	untold setting = iota
	off
	on
)

type asker interface {
	Do(ctx context.Context, args ...any) *goredis.Cmd
	Info(ctx context.Context, sections ...string) *goredis.StringCmd
	ConfigGet(ctx context.Context, parameter string) *goredis.MapStringStringCmd
}

// ask what kind of server this is. Managed services refuse CONFIG and some
// INFO; what they do not say stays unknown. An error means that there was no
// answer at all.
func ask(ctx context.Context, c asker) (server, error) {
	var s server
	text, err := c.Info(ctx).Result()
	if err != nil && !isReply(err) {
		return s, err
	}
	info := map[string]string{}
	for line := range strings.Lines(text) {
		if k, v, ok := strings.Cut(strings.TrimSpace(line), ":"); ok {
			info[k] = v
		}
	}
	s.version = info["redis_version"]
	s.replicas, _ = strconv.Atoi(info["connected_slaves"])
	switch info["aof_enabled"] {
	case "0":
		s.aof = off
	case "1":
		s.aof = on
	}
	s.evict(info["maxmemory_policy"])
	if s.version == "" {
		// A real server names itself in INFO. Its stand-in does so in HELLO only;
		// 3 is the protocol that the client speaks already.
		hello, err := c.Do(ctx, "HELLO", "3").Result()
		if err != nil && !isReply(err) {
			return s, err
		}
		if m, ok := hello.(map[any]any); ok {
			s.mini = m["server"] == "miniredis"
			s.version, _ = m["version"].(string)
		}
	}
	if s.mini {
		return s, nil
	}
	for _, name := range []string{"appendonly", "appendfsync", "no-appendfsync-on-rewrite", "save", "maxmemory-policy"} {
		got, err := c.ConfigGet(ctx, name).Result()
		if err != nil && !isReply(err) {
			return s, err
		}
		v, told := got[name]
		if !told {
			continue
		}
		switch name {
		case "appendonly":
			s.aof = off
			if v == "yes" {
				s.aof = on
			}
		case "appendfsync":
			s.fsync = v
		case "no-appendfsync-on-rewrite":
			s.pauses = v == "yes"
		case "save":
			s.saves = off
			if v != "" {
				s.saves = on
			}
		case "maxmemory-policy":
			s.evict(v)
		}
	}
	return s, nil
}

// evict notes a policy that may remove keys without an expiry, like ours.
func (s *server) evict(policy string) {
	s.evicts = ""
	if strings.HasPrefix(policy, "allkeys-") {
		s.evicts = policy
	}
}

// Durability asks the server how safe what it is told is. Settings that it does
// not tell are said to be unknown.
func (l *Log) Durability(ctx context.Context) (incident.Durability, error) {
	const doing = "ask Redis how durable it is"
	c, err := l.conn(ctx, l.shared("current"))
	if err != nil {
		return incident.Durability{}, l.fault(ctx, doing, err)
	}
	defer c.Close() //nolint:errcheck // back to the pool
	s, err := ask(ctx, c)
	if err != nil {
		return incident.Durability{}, l.fault(ctx, doing, err)
	}
	return s.durability(), nil
}

func (s server) durability() incident.Durability {
	if s.mini {
		return incident.Durability{
			Server:   "miniredis",
			Volatile: true,
			Says:     "miniredis, a stand-in for Redis inside a process: everything is lost when that process ends.",
		}
	}
	d := incident.Durability{
		Server:     strings.TrimSpace("redis " + s.version),
		AppendOnly: s.aof == on,
		Replicas:   s.replicas,
		Volatile:   s.aof == off,
	}
	name := strings.TrimSpace("Redis " + s.version)
	switch {
	case s.aof == untold:
		d.Says = name + " does not tell whether it keeps an append-only file: how much a crash loses is unknown."
	case s.aof == off && s.saves == off:
		d.Says = name + ", no append-only file and no snapshots: when the server stops, everything is lost. Set appendonly yes."
	case s.aof == off:
		d.Says = name + ", no append-only file: when the server stops, everything since the last snapshot is lost. Set appendonly yes."
	default:
		d.Fsync = s.fsync
		d.Says = name + ", append-only file, "
		switch s.fsync {
		case "always":
			d.Says += "fsync always: what it has confirmed is on its disk."
		case "everysec":
			d.Says += "fsync everysec: a crash of the server can lose the last second."
		case "no":
			d.Says += "fsync left to the operating system: a crash of the machine can lose half a minute or more."
		default:
			d.Says += "fsync setting not told: a crash of the server can lose a second or more."
		}
		if s.pauses && s.fsync != "no" {
			d.Says += " Not while it rewrites the file: set no-appendfsync-on-rewrite no."
		}
	}
	switch s.replicas {
	case 0:
		d.Says += " No replica is connected: what is lost with its disk is lost."
	case 1:
		d.Says += " 1 replica follows, without the server waiting for it."
	default:
		d.Says += fmt.Sprintf(" %d replicas follow, without the server waiting for them.", s.replicas)
	}
	if s.evicts != "" {
		d.Says += " Its maxmemory-policy " + s.evicts + " may remove timelines when memory is short: set noeviction."
	}
	return d
}

// secure obtains what durability the server can give for the writes of this
// connection, within about two seconds. The append itself has happened: whatever
// goes wrong here is told, and is no error.
func (l *Log) secure(ctx context.Context, c *goredis.Conn) incident.Secured {
	s, err := ask(ctx, c)
	if err != nil {
		return incident.Secured{How: "not known: the server did not say how durable it is: " + err.Error()}
	}
	if s.mini {
		return incident.Secured{How: "miniredis keeps nothing on disk"}
	}
	var got incident.Secured
	var how []string
	waitAOF := s.atLeast(7, 2)
	switch {
	case s.aof == on && waitAOF:
		n, err := c.WaitAOF(ctx, 1, s.replicas, securing).Result()
		switch {
		case err != nil:
			how = append(how, "WAITAOF: "+err.Error())
		case len(n) != 2:
			how = append(how, fmt.Sprintf("WAITAOF answered %v", n))
		default:
			got.Local, got.Replicas = n[0] > 0, int(n[1])
			disk := "on the server's disk"
			if !got.Local {
				disk = "not on the server's disk within " + securing.String()
			}
			how = append(how, "WAITAOF: "+disk)
			if s.replicas > 0 {
				how = append(how, fmt.Sprintf("on the disk of %d of %s", got.Replicas, text.Count(s.replicas, "replica")))
			}
		}
	case s.aof == on && s.fsync == "always" && s.pauses:
		how = append(how, "appendfsync always, but not during a rewrite (no-appendfsync-on-rewrite): not known to be on disk; WAITAOF needs Redis 7.2")
	case s.aof == on && s.fsync == "always":
		got.Local = true
		how = append(how, "appendfsync always: on the server's disk before its answer")
	case s.aof == on:
		fsync := "appendfsync " + s.fsync
		if s.fsync == "" {
			fsync = "appendfsync not told"
		}
		how = append(how, fsync+": not known to be on disk; WAITAOF needs Redis 7.2")
	case s.aof == off:
		how = append(how, "no append-only file")
	default:
		how = append(how, "the server does not tell whether it has an append-only file")
	}
	if s.replicas > got.Replicas {
		n, err := c.Wait(ctx, s.replicas, securing).Result()
		if err != nil {
			how = append(how, "WAIT: "+err.Error())
		} else {
			got.Replicas = max(got.Replicas, int(n))
			how = append(how, fmt.Sprintf("WAIT: confirmed by %d of %s", n, text.Count(s.replicas, "replica")))
		}
	} else if s.replicas == 0 {
		how = append(how, "no replica")
	}
	got.How = strings.Join(how, "; ")
	return got
}

func (s server) atLeast(major, minor int) bool {
	a, rest, _ := strings.Cut(s.version, ".")
	b, _, _ := strings.Cut(rest, ".")
	x, err1 := strconv.Atoi(a)
	y, err2 := strconv.Atoi(b)
	return err1 == nil && err2 == nil && (x > major || x == major && y >= minor)
}
