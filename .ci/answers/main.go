// Answers measures how fast the bot answers beside bots that do nothing else: programs
// of slack-go alone that acknowledge a slash command and answer it, without and with one
// entry in a stream of Redis. All of them are processes of their own, on the same
// simulated Slack with its limits off, in turns, several times; what is printed are
// medians, and what each is of the bare one that writes to Redis.
//
// The bot is asked for /failover status while no incident is open, with its zone's
// servers and its clusters out of reach.
package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"text/tabwriter"
	"time"

	"github.com/failoverbot/failoverbot/bot/slack/slacksim"
	"github.com/failoverbot/failoverbot/incident"
)

const (
	repetitions = 5
	oneByOne    = 300
	atOnce      = 200
	workers     = 32
	full        = 2 * time.Second // of as many as it can answer
	longest     = 10 * time.Minute
)

// clock is the machine's: this is about real time.
var clock = incident.RealClock{}

func main() {
	told, end := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer end()
	ctx, stop := context.WithTimeoutCause(told, longest, errors.New("measuring took longer than "+longest.String()))
	defer stop()
	if err := measure(ctx); err != nil {
		fmt.Fprintln(os.Stderr, "answers:", err)
		os.Exit(1)
	}
}

// figures are what one run of one program came to.
type figures struct {
	ack50, ack99, answer50, answer99, burst99 float64 // ms
	perSecond, cpu                            float64 // answers a second; ms of processor time for 1,000 answers
	idle, peak                                float64 // MiB
	connected, first                          float64 // ms since the start of the process
}

// row is a line of the table; wanted is the most (or, of answers a second, the least) of
// the bare one with Redis, or where it is no factor, the figure itself.
type row struct {
	name   string
	of     func(figures) float64
	wanted float64
	factor bool
	least  bool
}

var rows = []row{
	{"ack p50, one at a time, ms", func(f figures) float64 { return f.ack50 }, 1.2, true, false},
	{"ack p99, one at a time, ms", func(f figures) float64 { return f.ack99 }, 1.2, true, false},
	{"answer p50, one at a time, ms", func(f figures) float64 { return f.answer50 }, 1.3, true, false},
	{"answer p99, one at a time, ms", func(f figures) float64 { return f.answer99 }, 1.3, true, false},
	{"most answers a second", func(f figures) float64 { return f.perSecond }, 0.5, true, true},
	{"CPU ms for 1,000 answers at most", func(f figures) float64 { return f.cpu }, 3, true, false},
	{"burst of 200, answer p99, ms", func(f figures) float64 { return f.burst99 }, 2, true, false},
	{"idle memory, MiB", func(f figures) float64 { return f.idle }, 35, false, false},
	{"peak memory, MiB", func(f figures) float64 { return f.peak }, 60, false, false},
	{"start to connected, ms", func(f figures) float64 { return f.connected }, 50, false, false},
	{"start to first answer, ms", func(f figures) float64 { return f.first }, 100, false, false},
}

func measure(ctx context.Context) (err error) {
	dir, err := os.MkdirTemp("", "answers")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	bare, bot := filepath.Join(dir, "bare"), filepath.Join(dir, "failoverbot")
	for to, from := range map[string]string{bare: "./.ci/answers/bare", bot: "."} {
		if out, err := exec.CommandContext(ctx, "go", "build", "-ldflags", "-s -w", "-o", to, from).CombinedOutput(); err != nil {
			return fmt.Errorf("build %s: %w: %s", from, err, out)
		}
	}
	redis, end, err := startRedis(ctx, dir)
	if err != nil {
		return err
	}
	defer end()
	config, closePublic, err := settings(dir)
	if err != nil {
		return err
	}
	defer closePublic()
	programs := []struct {
		name string
		env  []string
		args []string
	}{
		{"slack-go", nil, []string{bare}},
		{"slack-go + XADD", []string{"REDIS_URL=" + redis}, []string{bare}},
		{"failoverbot status", []string{"REDIS_URL=" + redis}, []string{bot, "serve", "--config", config}},
	}
	all := make([][]figures, len(programs))
	for range repetitions {
		for i, p := range programs {
			f, err := once(ctx, p.env, p.args)
			if err != nil {
				return fmt.Errorf("%s: %w", p.name, err)
			}
			all[i] = append(all[i], f)
		}
	}
	w := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', 0)
	fmt.Fprintf(w, "\t%s\t%s\t%s\tof it\twanted\t\n", programs[0].name, programs[1].name, programs[2].name)
	for _, r := range rows {
		var m []float64
		for i := range programs {
			m = append(m, median(all[i], r.of))
		}
		of, wanted, well := "", fmt.Sprintf("%.0f", r.wanted), m[2] <= r.wanted
		if r.factor {
			var ratios []float64 // of the same repetition, for the machine is not always equally fast
			for n := range all[2] {
				ratios = append(ratios, r.of(all[2][n])/r.of(all[1][n]))
			}
			slices.Sort(ratios)
			ratio := ratios[len(ratios)/2]
			of, wanted, well = fmt.Sprintf("x%.2f", ratio), fmt.Sprintf("x%.1f", r.wanted), ratio <= r.wanted
			if r.least {
				well = ratio >= r.wanted
			}
		}
		said := "missed"
		if well {
			said = "reached"
		}
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%s\t%s\n", r.name, figure(m[0]), figure(m[1]), figure(m[2]), of, wanted, said)
	}
	return w.Flush()
}

func figure(v float64) string {
	if v >= 100 {
		return fmt.Sprintf("%.0f", v)
	}
	return fmt.Sprintf("%.2f", v)
}

func median(all []figures, of func(figures) float64) float64 {
	var v []float64
	for _, f := range all {
		v = append(v, of(f))
	}
	slices.Sort(v)
	return v[len(v)/2]
}

// once starts a program on a Slack of its own, puts it through everything, and ends it.
func once(ctx context.Context, env, args []string) (f figures, err error) {
	s, err := newStage(ctx)
	if err != nil {
		return f, err
	}
	defer func() { err = errors.Join(err, s.close()) }()
	var said bytes.Buffer
	cmd := exec.CommandContext(ctx, args[0], args[1:]...)
	cmd.Stdout, cmd.Stderr = &said, &said
	cmd.Env = append([]string{
		"PATH=" + os.Getenv("PATH"), "HOME=" + os.TempDir(), "SLACK_BOT_TOKEN=" + botToken, "SLACK_APP_TOKEN=" + appToken, "SLACK_API_URL=" + s.slack.APIURL(),
		"AWS_EC2_METADATA_DISABLED=true", "AWS_ACCESS_KEY_ID=AKIDMEASURE", "AWS_SECRET_ACCESS_KEY=measure", "AWS_ENDPOINT_URL=http://127.0.0.1:9",
	}, env...)
	began := clock.Now()
	if err := cmd.Start(); err != nil {
		return f, err
	}
	defer func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait() // it was killed
		if err != nil {
			err = fmt.Errorf("%w; it said: %s", err, last(said.String(), 1500))
		}
	}()
	if err := s.connected(ctx); err != nil {
		return f, err
	}
	f.connected = ms(clock.Now().Sub(began))
	if _, _, err = s.ask(ctx); err != nil {
		return f, err
	}
	f.first = ms(clock.Now().Sub(began))
	for range crowd - 1 {
		if _, _, err := s.ask(ctx); err != nil {
			return f, err
		}
	}

	if err := clock.Sleep(ctx, time.Second); err != nil {
		return f, err
	}
	f.idle = memory(cmd.Process.Pid, "VmRSS:")

	var acks, answers []float64
	for range oneByOne {
		ack, answer, err := s.ask(ctx)
		if err != nil {
			return f, err
		}
		acks, answers = append(acks, ack), append(answers, answer)
	}
	f.ack50, f.ack99, f.answer50, f.answer99 = share(acks, .5), share(acks, .99), share(answers, .5), share(answers, .99)

	burst, err := s.together(ctx, atOnce, func() bool { return false })
	if err != nil {
		return f, err
	}
	f.burst99 = share(burst, .99)

	used, start := cpu(cmd.Process.Pid), clock.Now()
	many, err := s.together(ctx, workers, func() bool { return clock.Now().Sub(start) < full })
	if err != nil {
		return f, err
	}
	f.perSecond = float64(len(many)) / clock.Now().Sub(start).Seconds()
	f.cpu = (cpu(cmd.Process.Pid) - used) / float64(len(many)) * 1000
	f.peak = memory(cmd.Process.Pid, "VmHWM:")
	return f, nil
}

func ms(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }

// share is the figure below which that share of them is.
func share(v []float64, p float64) float64 {
	slices.Sort(v)
	return v[min(len(v)-1, int(p*float64(len(v))))]
}

// memory is a figure of the process's status, in MiB.
func memory(pid int, key string) float64 {
	data, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/status")
	if err != nil {
		return 0
	}
	_, rest, _ := strings.Cut(string(data), key)
	kb, _ := strconv.ParseFloat(strings.Fields(rest)[0], 64)
	return kb / 1024
}

// cpu is the processor time that a process has used, in ms.
func cpu(pid int) float64 {
	data, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
	if err != nil {
		return 0
	}
	_, rest, _ := strings.Cut(string(data), ") ")
	f := strings.Fields(rest)
	user, _ := strconv.ParseFloat(f[11], 64)
	system, _ := strconv.ParseFloat(f[12], 64)
	return (user + system) * 10 // a tick is 10 ms: sysconf(_SC_CLK_TCK) is 100 on Linux
}

func last(s string, n int) string { return s[max(0, len(s)-n):] }

// startRedis starts a redis-server with an append-only file, as an operator has it.
func startRedis(ctx context.Context, dir string) (url string, end func(), err error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", nil, err
	}
	addr := l.Addr().String()
	if err := l.Close(); err != nil {
		return "", nil, err
	}
	_, port, _ := net.SplitHostPort(addr)
	cmd := exec.CommandContext(ctx, "redis-server", "--bind", "127.0.0.1", "--port", port, "--dir", dir, "--appendonly", "yes", "--appendfsync", "everysec", "--save", "")
	if err := cmd.Start(); err != nil {
		return "", nil, fmt.Errorf("start redis-server: %w", err)
	}
	end = func() {
		_ = cmd.Process.Signal(syscall.SIGTERM)
		_ = cmd.Wait()
	}
	for range 500 {
		if c, err := net.Dial("tcp", addr); err == nil {
			return "redis://" + addr, end, c.Close()
		}
		if err := clock.Sleep(ctx, 10*time.Millisecond); err != nil {
			break
		}
	}
	end()
	return "", nil, errors.New("redis-server does not listen")
}

// settings are the example's, with the public address on loopback and everything else
// that the bot would ask out of reach.
func settings(dir string) (file string, end func(), err error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", nil, err
	}
	public := &http.Server{ReadHeaderTimeout: time.Second, Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("X-Served-By-Region", "us-east-1")
		_, _ = io.WriteString(w, "ok")
	})}
	go func() { _ = public.Serve(l) }()
	end = func() { _ = public.Close() }
	data, err := os.ReadFile("deploy/config.example.yaml")
	if err != nil {
		end()
		return "", nil, err
	}
	var out []string
	skip := ""
	for line := range strings.Lines(string(data)) {
		line = strings.TrimRight(line, "\n")
		indent := line[:len(line)-len(strings.TrimLeft(line, " "))]
		if skip != "" && strings.HasPrefix(strings.TrimSpace(line), "- ") {
			continue
		}
		skip = ""
		switch strings.TrimSpace(line) {
		case "nameservers:":
			out, skip = append(out, indent+`nameservers: ["127.0.0.1:9"]`), "list"
			continue
		case "resolvers:":
			out, skip = append(out, indent+`resolvers: [{name: Local, addr: "127.0.0.1:9"}]`), "list"
			continue
		case "public: https://api.ecommerce.com":
			line = indent + "public: http://" + l.Addr().String()
		case "page: true":
			line = indent + "page: false"
		case "enabled: true":
			line = indent + "enabled: false"
		case "context: us-east-1-ecommerce-prod", "context: us-west-2-ecommerce-prod":
			line += "\n" + indent + "kubeconfig: kubeconfig.yaml"
		}
		out = append(out, line)
	}
	file = filepath.Join(dir, "config.yaml")
	kube := `apiVersion: v1
kind: Config
clusters: [{name: gone, cluster: {server: "https://127.0.0.1:9"}}]
users: [{name: nobody, user: {token: none}}]
contexts:
  - {name: us-east-1-ecommerce-prod, context: {cluster: gone, user: nobody}}
  - {name: us-west-2-ecommerce-prod, context: {cluster: gone, user: nobody}}
`
	return file, end, errors.Join(os.WriteFile(file, []byte(strings.Join(out, "\n")+"\n"), 0o600), os.WriteFile(filepath.Join(dir, "kubeconfig.yaml"), []byte(kube), 0o600))
}

// stage is a Slack and those who ask there.
type stage struct {
	slack *slacksim.Server
	ended chan error
	here  chan struct{} // closed when somebody is connected

	mu     sync.Mutex
	asked  int
	waits  map[string][]chan time.Time // whoever waits for answers, the first first
	joined bool
}

const (
	botToken, appToken = "xoxb-measure", "xapp-measure"
	channel            = "C0123456789"
	crowd              = 8 // people, who ask in turns: who somebody is the bot looks up once
)

func newStage(ctx context.Context) (*stage, error) {
	s := &stage{ended: make(chan error, 1), here: make(chan struct{}), waits: map[string][]chan time.Time{}}
	people := make([]slacksim.Person, crowd)
	for i := range people {
		people[i] = slacksim.Person{ID: fmt.Sprintf("U%06d", i), Name: fmt.Sprintf("Person %d", i)}
	}
	people = append(people, slacksim.Person{ID: "U0AL1CE00", Name: "Alice"}, slacksim.Person{ID: "U0B0B0000", Name: "Bob"},
		slacksim.Person{ID: "U0CAR0L00", Name: "Carol"}, slacksim.Person{ID: "U0DAVE000", Name: "Dave"})
	var err error
	s.slack, err = slacksim.New(slacksim.Options{
		Clock: clock, BotToken: botToken, AppToken: appToken, People: people, Wire: watcher(s.wire), Messages: watcher(s.message),
		Channels: []slacksim.Channel{{ID: channel, Name: "incident-response"}},
	})
	if err != nil {
		return nil, err
	}
	go func() { s.ended <- s.slack.Run(ctx) }()
	return s, nil
}

func (s *stage) close() error { return errors.Join(s.slack.Close(), <-s.ended) }

// watcher is handed each line as it is written.
type watcher func(line []byte)

// Write hands p on.
func (w watcher) Write(p []byte) (int, error) {
	w(p)
	return len(p), nil
}

func (s *stage) wire(line []byte) {
	if bytes.Contains(line, []byte(`"event":"connected"`)) {
		s.mu.Lock()
		defer s.mu.Unlock()
		if !s.joined {
			s.joined = true
			close(s.here)
		}
	}
}

// message notices answers: what is shown to one person alone, for the first time.
func (s *stage) message(line []byte) {
	now := clock.Now()
	var m struct {
		Op  string `json:"op"`
		For string `json:"for"`
	}
	// What the bot finds out later about who serves is another message.
	if !bytes.Contains(line, []byte(`"ephemeral"`)) || !bytes.Contains(line, []byte("is open.")) || json.Unmarshal(line, &m) != nil {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if c := s.waits[m.For]; len(c) > 0 {
		s.waits[m.For] = c[1:]
		c[0] <- now
	}
}

func (s *stage) connected(ctx context.Context) error {
	select {
	case <-s.here:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// ask has the next person type the command, and says after how many milliseconds it was
// acknowledged and answered.
func (s *stage) ask(ctx context.Context) (ack, answer float64, err error) {
	c := make(chan time.Time, 1)
	s.mu.Lock()
	who := fmt.Sprintf("U%06d", s.asked%crowd)
	s.asked++
	s.waits[who] = append(s.waits[who], c)
	s.mu.Unlock()
	body, err := json.Marshal(slacksim.Deed{As: who, Channel: channel, Text: "/failover status"})
	if err != nil {
		return 0, 0, err
	}
	began := clock.Now()
	r, err := http.Post(s.slack.URL()+"rehearsal/command", "application/json", bytes.NewReader(body))
	if err != nil {
		return 0, 0, err
	}
	var o slacksim.Outcome
	err = json.NewDecoder(r.Body).Decode(&o)
	_, _ = io.Copy(io.Discard, r.Body)
	if err := errors.Join(err, r.Body.Close()); err != nil {
		return 0, 0, err
	}
	if !o.OK {
		return 0, 0, fmt.Errorf("it was not taken: %s", o.Reason)
	}
	ack = ms(clock.Now().Sub(began))
	late, stop := clock.WithTimeout(ctx, 30*time.Second, errors.New("no answer came within 30 s"))
	defer stop()
	select {
	case at := <-c:
		return ack, ms(at.Sub(began)), nil
	case <-late.Done():
		return 0, 0, context.Cause(late)
	}
}

// together lets n people ask at once, each the next when one is answered as long as it
// goes on, and says how long each answer took.
func (s *stage) together(ctx context.Context, n int, goesOn func() bool) ([]float64, error) {
	var (
		all  sync.WaitGroup
		mu   sync.Mutex
		took []float64
		bad  []error
	)
	for range n {
		all.Go(func() {
			for {
				_, answer, err := s.ask(ctx)
				mu.Lock()
				took = append(took, answer)
				if err != nil {
					bad = append(bad, err)
				}
				mu.Unlock()
				if err != nil || !goesOn() {
					return
				}
			}
		})
	}
	all.Wait()
	return took, errors.Join(bad...)
}
