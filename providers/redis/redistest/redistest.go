// Package redistest starts Redis servers for tests: a real one as a process, or
// the stand-in inside the test.
package redistest

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"os/exec"
	"strconv"
	"sync"
	"syscall"
	"testing"

	"github.com/alicebob/miniredis/v2"
	goredis "github.com/redis/go-redis/v9"
)

// Option is a setting of a server, as on its command line.
type Option func(*Process)

// Fsync sets appendfsync: always, everysec (the default) or no.
func Fsync(policy string) Option {
	return func(p *Process) { p.args = append(p.args, "--appendfsync", policy) }
}

// Args are further arguments of redis-server; later ones win.
func Args(args ...string) Option {
	return func(p *Process) { p.args = append(p.args, args...) }
}

// Mini is a miniredis that ends with the test.
func Mini(t testing.TB) *miniredis.Miniredis { return miniredis.RunT(t) }

// Server starts a redis-server with an append-only file on a free port of
// loopback and returns its URL. It ends with the test. Without redis-server on
// the machine the test is skipped.
func Server(t testing.TB, options ...Option) (url string) {
	t.Helper()
	return Start(t, options...).URL
}

// Process is a redis-server of a test. It can be killed and started again on the
// same files and the same port.
type Process struct {
	// URL of the server; the same after Restart.
	URL string
	// Addr is host:port.
	Addr string

	t    testing.TB
	args []string
	cmd  *exec.Cmd
	out  *output
}

// Start is Server for tests that want to kill it.
func Start(t testing.TB, options ...Option) *Process {
	t.Helper()
	if _, err := exec.LookPath("redis-server"); err != nil {
		t.Skip("redis-server is not installed: NOT TESTED against a real Redis (Debian: apt-get install redis-server)")
	}
	// A port that was free a moment ago may be taken by now: then another one.
	const attempts = 5
	var p *Process
	for range attempts {
		p = &Process{t: t, args: []string{
			"--bind", "127.0.0.1", "--save", "", "--appendonly", "yes",
			"--dir", t.TempDir(), "--daemonize", "no", "--loglevel", "notice",
		}}
		for _, o := range options {
			o(p)
		}
		port := freePort(t)
		p.Addr = net.JoinHostPort("127.0.0.1", strconv.Itoa(port))
		p.URL = "redis://" + p.Addr + "/0"
		p.args = append([]string{"--port", strconv.Itoa(port)}, p.args...)
		if p.start() {
			t.Cleanup(p.Kill)
			return p
		}
	}
	t.Fatalf("redis-server did not start %d times; the last time it said:\n%s", attempts, p.out)
	return nil
}

// Restart starts a killed server on the files that it left.
func (p *Process) Restart() {
	p.t.Helper()
	if !p.start() {
		p.t.Fatalf("redis-server did not start again; it said:\n%s", p.out)
	}
}

// Kill ends the server at once, as kill -9 does. It does nothing if it has ended.
func (p *Process) Kill() {
	if p.cmd == nil {
		return
	}
	// Errors mean that it has ended by itself, which is what we want.
	_ = p.cmd.Process.Signal(syscall.SIGKILL)
	<-p.out.ended
	p.cmd = nil
}

// start returns true when the server answers, false when it ended instead.
func (p *Process) start() bool {
	p.t.Helper()
	p.out = &output{ready: make(chan struct{}), ended: make(chan struct{})}
	p.cmd = exec.Command("redis-server", p.args...)
	p.cmd.Stdout, p.cmd.Stderr = p.out, p.out
	if err := p.cmd.Start(); err != nil {
		p.t.Fatalf("start redis-server: %v", err)
	}
	go func(cmd *exec.Cmd, out *output) {
		_ = cmd.Wait() // how it ended is in what it said
		close(out.ended)
	}(p.cmd, p.out)
	select {
	case <-p.out.ready:
	case <-p.out.ended:
		p.cmd = nil
		return false
	}
	c := goredis.NewClient(&goredis.Options{Addr: p.Addr})
	defer c.Close() //nolint:errcheck // only pinged
	if err := c.Ping(context.Background()).Err(); err != nil && !goredis.IsAuthError(err) {
		p.t.Fatalf("redis-server is ready and does not answer: %v", err)
	}
	return true
}

// output keeps what the server says and notices when it is ready.
type output struct {
	mu    sync.Mutex
	text  bytes.Buffer
	said  bool
	ready chan struct{}
	ended chan struct{}
}

func (o *output) Write(b []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.text.Write(b)
	if !o.said && bytes.Contains(o.text.Bytes(), []byte("Ready to accept connections")) {
		o.said = true
		close(o.ready)
	}
	return len(b), nil
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.String()
}

func freePort(t testing.TB) int {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(fmt.Errorf("find a free port: %w", err))
	}
	defer l.Close() //nolint:errcheck // only its number was wanted
	return l.Addr().(*net.TCPAddr).Port
}
