package redis_test

import (
	"fmt"
	"testing"

	goredis "github.com/redis/go-redis/v9"

	"github.com/failoverbot/failoverbot/incident"
	"github.com/failoverbot/failoverbot/incident/engine/enginetest"
	"github.com/failoverbot/failoverbot/providers/redis"
	"github.com/failoverbot/failoverbot/providers/redis/redistest"
)

// BenchmarkAppend shows that an append costs the same at any length.
func BenchmarkAppend(b *testing.B) {
	onRedis := func(url func(testing.TB) string) func(*testing.B, int) incident.Log {
		return func(b *testing.B, length int) incident.Log {
			u := url(b)
			preload(b, u, length)
			return open(b, redis.Options{URL: u})
		}
	}
	for _, on := range []struct {
		name string
		log  func(b *testing.B, length int) incident.Log
	}{
		{"memory", inMemory},
		{"miniredis", onRedis(func(t testing.TB) string { return "redis://" + redistest.Mini(t).Addr() })},
		{"redis", onRedis(func(t testing.TB) string { return redistest.Server(t) })},
		{"redis-fsync-always", onRedis(func(t testing.TB) string { return redistest.Server(t, redistest.Fsync("always")) })},
	} {
		for _, length := range []int{100, 10_000, 100_000} {
			b.Run(fmt.Sprintf("%s/%d", on.name, length), func(b *testing.B) {
				l := on.log(b, length)
				after := uint64(length)
				for b.Loop() {
					got, err := l.Append(b.Context(), write(after, fmt.Sprint("r", after), "a remark of usual length"))
					if err != nil {
						b.Fatal(err)
					}
					after = got.Seq
				}
			})
		}
	}
}

func inMemory(b *testing.B, length int) incident.Log {
	b.Helper()
	l := enginetest.NewMemory()
	for n := range length {
		if _, err := l.Append(b.Context(), write(uint64(n), fmt.Sprint("r", n), "x")); err != nil {
			b.Fatal(err)
		}
	}
	return l
}

// preload writes a timeline past the Log, which would take a round trip each.
func preload(b *testing.B, url string, length int) {
	b.Helper()
	c := client(b, url)
	const batch = 5000
	var at incident.Position
	for from := 0; from < length; from += batch {
		if _, err := c.Pipelined(b.Context(), func(p goredis.Pipeliner) error {
			for n := from; n < min(from+batch, length); n++ {
				w := write(at.Seq, "preload", "x")
				w.Prev = at.Digest
				stored, err := w.Chain()
				if err != nil {
					return err
				}
				e := stored[0]
				at = e.Position()
				p.XAdd(b.Context(), &goredis.XAddArgs{
					Stream: "{fb}:" + string(inc) + ":log",
					ID:     fmt.Sprintf("%d-0", e.Seq),
					Values: []any{"e", e.Raw(), "d", string(at.Digest)},
				})
				p.HSet(b.Context(), "{fb}:"+string(inc)+":requests", fmt.Sprint("r", n), e.Seq)
			}
			return nil
		}); err != nil {
			b.Fatal(err)
		}
	}
}
