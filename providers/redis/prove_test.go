package redis_test

import (
	"fmt"
	"strings"
	"testing"

	goredis "github.com/redis/go-redis/v9"
	"github.com/rs/zerolog"

	"github.com/failoverbot/failoverbot/providers/redis"
	"github.com/failoverbot/failoverbot/providers/redis/redistest"
)

// proved opens the record at a URL and has it proved.
func proved(t *testing.T, url string) error {
	t.Helper()
	l, err := redis.Open(t.Context(), redis.Options{URL: url}, zerolog.Nop())
	if err != nil {
		return err
	}
	defer func() { _ = l.Disconnect() }()
	return l.Prove(t.Context())
}

// A record is proved by doing what timelines need, and nothing of that is left.
func TestTheRecordIsProvedAndNothingIsLeftOfIt(t *testing.T) {
	for name, url := range map[string]string{"a real server": redistest.Server(t), "miniredis": "redis://" + redistest.Mini(t).Addr()} {
		t.Run(name, func(t *testing.T) {
			if err := proved(t, url); err != nil {
				t.Fatal(err)
			}
			o, err := goredis.ParseURL(url)
			if err != nil {
				t.Fatal(err)
			}
			c := goredis.NewClient(o)
			defer func() { _ = c.Close() }()
			if keys, err := c.Keys(t.Context(), "*").Result(); err != nil || len(keys) != 0 {
				t.Errorf("left behind: %v, %v", keys, err)
			}
		})
	}
}

// What a server or a user does not let the record do is found before there is an
// incident, and said with what would help.
func TestARecordThatCannotBeWrittenIsNotProved(t *testing.T) {
	for name, c := range map[string]struct {
		set  func(t *testing.T, admin *goredis.Client, addr string) (user string)
		want []string
	}{
		"a replica": {func(t *testing.T, admin *goredis.Client, _ string) string {
			t.Helper()
			do(t, admin, "REPLICAOF", "127.0.0.1", "1")
			return ""
		}, []string{"can only be read (READONLY)", "name the primary in REDIS_URL"}},
		"a user without scripts": {func(t *testing.T, admin *goredis.Client, _ string) string {
			t.Helper()
			do(t, admin, "ACL", "SETUSER", "bot", "on", ">pw", "~*", "&*", "+@all", "-evalsha", "-eval")
			return "bot:pw@"
		}, []string{"may not do what the record needs", "EVALSHA"}},
		"a user of other keys": {func(t *testing.T, admin *goredis.Client, _ string) string {
			t.Helper()
			do(t, admin, "ACL", "SETUSER", "bot", "on", ">pw", "~other:*", "&*", "+@all")
			return "bot:pw@"
		}, []string{"may not do what the record needs", "Its ACL needs the keys"}},
		"a user without one command": {func(t *testing.T, admin *goredis.Client, _ string) string {
			t.Helper()
			do(t, admin, "ACL", "SETUSER", "bot", "on", ">pw", "~*", "&*", "+@all", "-xadd")
			return "bot:pw@"
		}, []string{"may not do what the record needs", "what the scripts call"}},
		"no memory left": {func(t *testing.T, admin *goredis.Client, _ string) string {
			t.Helper()
			do(t, admin, "CONFIG", "SET", "maxmemory", "1")
			return ""
		}, []string{"maxmemory"}},
	} {
		t.Run(name, func(t *testing.T) {
			p := redistest.Start(t)
			admin := goredis.NewClient(&goredis.Options{Addr: p.Addr})
			defer func() { _ = admin.Close() }()
			user := c.set(t, admin, p.Addr)
			err := proved(t, "redis://"+user+p.Addr)
			if err == nil {
				t.Fatal("it was proved")
			}
			for _, want := range c.want {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("%q does not say %q", err, want)
				}
			}
			if strings.Contains(err.Error(), "pw@") {
				t.Errorf("%q tells the password", err)
			}
		})
	}
}

func do(t *testing.T, c *goredis.Client, args ...any) {
	t.Helper()
	if err := c.Do(t.Context(), args...).Err(); err != nil {
		t.Fatalf("%s: %v", fmt.Sprint(args...), err)
	}
}
