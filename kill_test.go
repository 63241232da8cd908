package main

import (
	"bytes"
	"context"
	"math/rand/v2"
	"path/filepath"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"github.com/failoverbot/failoverbot/incident"
	"github.com/failoverbot/failoverbot/providers/redis/redistest"
	"github.com/failoverbot/failoverbot/providers/sim"
	"github.com/failoverbot/failoverbot/templates"
)

// The bot is a process of its own, and it is killed with a signal that no process
// can catch. Slack and the people are in this process, the record is in a real
// Redis, and the world's state is in a folder.
func TestKilledAtRandomMomentsTheBotGoesOn(t *testing.T) {
	const (
		kills = 10 // in each scenario
		speed = 20 // faster than life, so that a person's three seconds stay long enough
	)
	for _, scenario := range []string{"region-loss", "region-degraded"} {
		t.Run(scenario, func(t *testing.T) {
			t.Parallel()
			seed := rand.Uint64()
			t.Logf("seed %d", seed)
			chance := rand.New(rand.NewPCG(seed, 0))
			file := filepath.Join(t.TempDir(), "stage.json")
			var printed safeBuffer
			r := &rehearsal{
				Auto: true, Scenario: scenario, Speed: speed, Listen: "127.0.0.1:0", StageFile: file, Out: t.TempDir(),
				Stdout: &printed, Log: zerolog.Nop(), Templates: templates.FS, redisURL: redistest.Server(t, redistest.Fsync("always")),
			}
			var killer sync.WaitGroup
			ctx, stop := context.WithCancel(t.Context())
			r.ready = func(*rehearsal) error {
				killer.Go(func() {
					for n := 0; ctx.Err() == nil; n++ {
						p := program(t, nil, "rehearse", "--bot", file)
						life := time.Duration(300+chance.IntN(2200)) * time.Millisecond
						if n == kills {
							<-ctx.Done()
							return
						}
						if (incident.RealClock{}).Sleep(ctx, life) != nil {
							t.Errorf("the incident was over after %d kills, %d were wanted", n, kills)
							return
						}
						p.signal(syscall.SIGKILL)
						<-p.ended
					}
				})
				return nil
			}
			err := r.run(ctx)
			stop()
			killer.Wait()
			if err != nil {
				t.Fatalf("%v\n%s", err, tail(printed.String(), 60))
			}
			clock := sim.NewClockAt(r.reach.Start, r.reach.Instant, r.reach.Speed)
			defer clock.Close()
			world, err := sim.New(r.scn, clock, sim.Options{Dir: r.reach.World})
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _ = world.Close() }()
			for operation, want := range map[string]map[string]int{
				"region-loss": {
					"FailoverGlobalCluster": 1, "FailoverGlobalReplicationGroup": 1, "PutObject": 1,
					"patch horizontalpodautoscalers": 5, "patch deployments": 5, "SwitchoverGlobalCluster": 0,
				},
				"region-degraded": {
					"SwitchoverGlobalCluster": 1, "FailoverGlobalReplicationGroup": 1, "UpdateHealthCheck": 1,
					"patch horizontalpodautoscalers": 5, "patch deployments": 5, "FailoverGlobalCluster": 0,
				},
			}[scenario] {
				if got := world.Applied(operation); got != want {
					t.Errorf("%s was applied %d times, want %d", operation, got, want)
				}
			}
		})
	}
}

// safeBuffer is written by many and read at the end.
type safeBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (s *safeBuffer) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.Write(p)
}

func (s *safeBuffer) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.String()
}
