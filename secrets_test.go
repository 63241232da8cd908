package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"encoding/xml"
	"fmt"
	"io"
	"log"
	"maps"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/failoverbot/failoverbot/incident"
	"github.com/failoverbot/failoverbot/incident/engine"
	"github.com/failoverbot/failoverbot/incident/engine/enginetest"
	"github.com/failoverbot/failoverbot/incident/runbook"
	"github.com/failoverbot/failoverbot/incident/text"
	"github.com/failoverbot/failoverbot/providers/pagerduty"
	"github.com/failoverbot/failoverbot/providers/redis/redistest"
)

// planted are secrets of which no four characters stand in anything else that is said.
var planted = map[string]string{
	"the bot's token":         "Vq3Zx8Jw5Gh2Kf",
	"the app's token":         "Yb7Qn4Wd9Xz1Lp",
	"Slack's password":        "Wz5JqXk4VpHj",
	"Redis' password":         "Rj6Yw9Tq3BnZx",
	"the AWS secret key":      "Kp2/Vx8Zq4+Jw7Yb5Gn9Rt3Lm6Hd1Wf0Qs8Tz2C",
	"the AWS session token":   "IQoJZ2x9Vw4Kq7Yt3Hn8/Rb5+Gd6Jp1Xz0Lf4Ws==",
	"the cluster's token":     "Hk8Zw3Xq6Vj1Tn5Yp",
	"the cluster's password":  "Zd4Qx7Wj2Kv9Rb",
	"PagerDuty's routing key": "Xq9Jz4Vw7Kp2Yh5Gn8Rt3Lm6Hd1Wf0Qs",
	"PagerDuty's API token":   "Fy8+Kw3Zq6Xj9Vh2Bn",
	"PagerDuty's test key":    "Gj6Wx2Kv8Zq4Tn9Yb3Hp7Rd5Jm1Lf0Sz",
	"the token of orders":     "Tz3Kx9Wq5Jv7Yn",
}

// notLeaked fails if four characters of what was planted stand in what was said.
func notLeaked(t *testing.T, said string) {
	t.Helper()
	for what, secret := range planted {
		for i := 0; i+4 <= len(secret); i++ {
			if at := strings.Index(said, secret[i:i+4]); at >= 0 {
				t.Errorf("%q of %s is said: …%s…", secret[i:i+4], what, said[max(0, at-150):min(len(said), at+150)])
				break
			}
		}
	}
}

// manners are how a server may put what it was told into an error.
var manners = []string{"refuses", "fails", "answers nonsense", "sends elsewhere", "hangs up", "is away"}

// parrot is a server that repeats all that it was told.
type parrot struct {
	manner string
	shape  func(status int, said string) (kind, body string)
	mu     sync.Mutex
	heard  strings.Builder
}

func (p *parrot) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body) // as far as it comes
	said := fmt.Sprintf("%s %s %v %s", r.Method, r.URL, r.Header, body)
	if _, password, ok := r.BasicAuth(); ok {
		said += " password " + password
	}
	plain, _ := url.QueryUnescape(said) // or nothing
	// Errors are shortened: what matters stands first.
	for _, secret := range planted {
		if strings.Contains(said+plain, secret) {
			said = secret + " and " + said
		}
	}
	p.mu.Lock()
	p.heard.WriteString(said)
	p.mu.Unlock()
	status := map[string]int{"refuses": http.StatusForbidden, "fails": http.StatusInternalServerError}[p.manner]
	switch p.manner {
	case "hangs up":
		panic(http.ErrAbortHandler)
	case "sends elsewhere":
		http.Redirect(w, r, "http://elsewhere.invalid:1/?was="+url.QueryEscape(said), http.StatusTemporaryRedirect)
		return
	case "answers nonsense":
		_, _ = io.WriteString(w, "{nonsense: "+said)
		return
	}
	kind, answer := p.shape(status, said)
	w.Header().Set("Content-Type", kind)
	if kind == "application/json" && strings.HasPrefix(answer, `{"ok"`) {
		status = http.StatusOK // so Slack refuses
	}
	w.WriteHeader(status)
	_, _ = io.WriteString(w, answer) // whoever hears nothing says so
}

func quoted(s string) string {
	b, _ := json.Marshal(s) // a text can be written
	return string(b)
}

// shapes are how the errors of each system look.
var shapes = map[string]func(int, string) (string, string){
	"Slack": func(_ int, said string) (string, string) {
		return "application/json", `{"ok":false,"error":` + quoted(said) + `}`
	},
	"AWS": func(_ int, said string) (string, string) {
		if strings.Contains(said, "application/x-amz-json") || strings.Contains(said, "cbor") {
			return "application/x-amz-json-1.1", `{"__type":"OddException","message":` + quoted(said) + `}`
		}
		var b bytes.Buffer
		_ = xml.EscapeText(&b, []byte(said)) // to memory
		return "text/xml", "<ErrorResponse><Error><Code>Odd</Code><Message>" + b.String() + "</Message></Error></ErrorResponse>"
	},
	"Kubernetes": func(status int, said string) (string, string) {
		return "application/json", fmt.Sprintf(`{"kind":"Status","apiVersion":"v1","status":"Failure","reason":"Odd","message":%s,"code":%d}`, quoted(said), status)
	},
	"PagerDuty": func(_ int, said string) (string, string) {
		if strings.Contains(said, "Token token=") { // the REST API has another shape than that of events
			return "application/json", `{"error":{"code":2001,"message":` + quoted(said) + `,"errors":[` + quoted(said) + `]}}`
		}
		return "application/json", `{"status":"invalid event","message":` + quoted(said) + `,"errors":[` + quoted(said) + `]}`
	},
	"the platform": func(_ int, said string) (string, string) { return "text/plain", said },
}

// parrots are servers, one of each system, and all that they were told.
func parrots(t *testing.T, manner string) (at map[string]string, heard func() string) {
	t.Helper()
	at = map[string]string{}
	var all []*parrot
	for name, shape := range shapes {
		if manner == "is away" {
			at[name] = "http://" + closedPort(t) // https makes no difference to it
			continue
		}
		p := &parrot{manner: manner, shape: shape}
		if manner == "hangs up" && name == "Kubernetes" {
			p.manner = "answers nonsense" // its client would try again for half a minute
		}
		s := httptest.NewUnstartedServer(p)
		s.Config.ErrorLog = log.New(io.Discard, "", 0)
		if name == "Kubernetes" {
			s.StartTLS() // no client shows a cluster its token without
		} else {
			s.Start()
		}
		t.Cleanup(s.Close)
		all = append(all, p)
		at[name] = s.URL
	}
	return at, func() string {
		var said strings.Builder
		for _, p := range all {
			p.mu.Lock()
			said.WriteString(p.heard.String())
			p.mu.Unlock()
		}
		return said.String()
	}
}

// redisParrot answers each command with an error that repeats its arguments, as Redis
// does with a command that it does not know, cut as Redis cuts them.
func redisParrot(t *testing.T, manner string) string {
	t.Helper()
	if manner == "is away" {
		return closedPort(t)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var served sync.WaitGroup
	served.Go(func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			served.Go(func() {
				defer conn.Close()
				repeat(conn, manner)
			})
		}
	})
	t.Cleanup(func() {
		_ = l.Close()
		served.Wait()
	})
	return l.Addr().String()
}

func repeat(conn net.Conn, manner string) {
	in := bufio.NewReader(conn)
	for n := 0; ; n++ {
		line, err := in.ReadString('\n')
		if err != nil {
			return
		}
		count, err := strconv.Atoi(strings.TrimSpace(strings.TrimPrefix(line, "*")))
		if err != nil {
			return
		}
		var args []string
		for range count {
			size, err := in.ReadString('\n')
			if err != nil {
				return
			}
			length, err := strconv.Atoi(strings.TrimSpace(size[1:]))
			if err != nil {
				return
			}
			arg := make([]byte, length+2)
			if _, err := io.ReadFull(in, arg); err != nil {
				return
			}
			args = append(args, string(arg[:length]))
		}
		said := strings.Join(args, "' '")
		switch manner {
		case "hangs up":
			return
		case "answers nonsense":
			fmt.Fprintf(conn, "?%s\r\n", said)
		case "refuses":
			fmt.Fprintf(conn, "-WRONGPASS it is not '%s'\r\n", said)
		case "fails":
			password := slices.Index(args, planted["Redis' password"])
			if password >= 0 {
				args[password] = args[password][:5+n]
			}
			fmt.Fprintf(conn, "-ERR unknown command, with args beginning with: '%s'\r\n", strings.Join(args, "' '"))
		default:
			fmt.Fprintf(conn, "-MOVED 1 %s.invalid:6379\r\n", said)
		}
	}
}

// plantedSettings are settings whose every connection leads to a parrot.
func plantedSettings(t *testing.T, at map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	writeFile(t, filepath.Join(dir, "kubeconfig.yaml"), fmt.Sprintf(`apiVersion: v1
kind: Config
clusters: [{name: parrot, cluster: {server: "%s", insecure-skip-tls-verify: true}}]
users:
  - {name: token, user: {token: %s}}
  - {name: password, user: {username: bot, password: %s}}
contexts:
  - {name: us-east-1-ecommerce-prod, context: {cluster: parrot, user: password}}
  - {name: us-west-2-ecommerce-prod, context: {cluster: parrot, user: token}}
`, at["Kubernetes"], planted["the cluster's token"], planted["the cluster's password"]))
	config := edited(t, map[string]string{
		"    # kubeconfig: kubeconfig.yaml":       "    kubeconfig: kubeconfig.yaml #",
		"context: us-west-2-ecommerce-prod":       "context: us-west-2-ecommerce-prod\n    kubeconfig: kubeconfig.yaml",
		"https://api.ecommerce.com":               "http://api.ecommerce.com",
		"  # service: PABC123":                    "  service: PABC123",
		"  # test_service: PTEST12":               "  test_service: PTEST12",
		"  # api_url: https://api.pagerduty.com ": "  api_url: " + at["PagerDuty"] + " ",
		"https://us-east-1.api":                   "http://us-east-1.api",
		"https://us-west-2.api":                   "http://us-west-2.api",
	})
	platform, gone := strings.TrimPrefix(at["the platform"], "http://"), closedPort(t)
	config += "\ndial:\n"
	for _, from := range []string{"api.ecommerce.com:80", "us-east-1.api.ecommerce.com:80", "us-west-2.api.ecommerce.com:80"} {
		config += fmt.Sprintf("  \"%s\": \"%s\"\n", from, platform)
	}
	for _, from := range []string{
		"ns-1.awsdns-01.com:53", "ns-513.awsdns-00.net:53", "ns-1025.awsdns-00.org:53", "ns-1537.awsdns-00.co.uk:53",
		"8.8.8.8:53", "1.1.1.1:53", "208.67.222.222:53",
	} {
		config += fmt.Sprintf("  \"%s\": \"%s\"\n", from, gone)
	}
	file := filepath.Join(dir, "config.yaml")
	writeFile(t, file, config)
	return file
}

func plantedEnvironment(t *testing.T, at map[string]string, redisAt string) map[string]string {
	t.Helper()
	dir := t.TempDir()
	t.Setenv("HOME", dir)
	t.Setenv("AWS_CONFIG_FILE", filepath.Join(dir, "none"))
	t.Setenv("AWS_SHARED_CREDENTIALS_FILE", filepath.Join(dir, "none"))
	t.Setenv("AWS_EC2_METADATA_DISABLED", "true")
	t.Setenv("AWS_ENDPOINT_URL", at["AWS"])
	t.Setenv("AWS_ACCESS_KEY_ID", "AKIDLABORATORY")
	t.Setenv("AWS_SECRET_ACCESS_KEY", planted["the AWS secret key"])
	t.Setenv("AWS_SESSION_TOKEN", planted["the AWS session token"])
	return map[string]string{
		"SLACK_BOT_TOKEN": "xoxb-" + planted["the bot's token"], "SLACK_APP_TOKEN": "xapp-" + planted["the app's token"],
		"SLACK_API_URL":         strings.Replace(at["Slack"], "http://", "http://bot:"+planted["Slack's password"]+"@", 1) + "/api/",
		"REDIS_URL":             "redis://bot:" + planted["Redis' password"] + "@" + redisAt,
		"PAGERDUTY_ROUTING_KEY": planted["PagerDuty's routing key"], "PAGERDUTY_API_TOKEN": planted["PagerDuty's API token"], "PAGERDUTY_TEST_ROUTING_KEY": planted["PagerDuty's test key"], "SYNTHETIC_TEST_TOKEN": planted["the token of orders"],
	}
}

// Whatever a system puts into its errors of what it was told, nothing of it is said.
func TestNoSecretIsSaidHoweverAConnectionFails(t *testing.T) {
	for _, manner := range manners {
		t.Run(manner, func(t *testing.T) {
			at, heard := parrots(t, manner)
			redisAt := redisParrot(t, manner)
			config, env := plantedSettings(t, at), plantedEnvironment(t, at, redisAt)
			verbs := [][]string{{"check", "--config", config}, {"serve", "--config", config}}
			if manner == "refuses" {
				verbs = append(verbs, []string{"check", "--config", config, "--output", "json"})
			}
			for _, args := range verbs {
				code, stdout, stderr := typed(t, env, args...)
				if code == exitDone {
					t.Errorf("%s succeeds, so nothing failed", args[0])
				}
				if stdout+stderr == "" {
					t.Errorf("%s says nothing", args[0])
				}
				if slices.Contains(args, "json") && !json.Valid([]byte(stdout)) {
					t.Errorf("this is no JSON: %s", stdout)
				}
				notLeaked(t, stdout+stderr)
			}
			if manner == "refuses" { // with a record, it is Slack that serve ends with
				env["REDIS_URL"] = redistest.Server(t)
				ctx, stop := context.WithCancel(t.Context())
				stderr := &watched{sign: "Slack cannot be reached", call: stop}
				run(ctx, []string{"serve", "--config", config}, io.Discard, stderr, func(name string) string { return env[name] })
				stop()
				if !strings.Contains(stderr.String(), text.Hidden) {
					t.Errorf("serve met no refusal: %s", stderr)
				}
				notLeaked(t, stderr.String())
			}
			if manner == "is away" {
				return
			}
			for _, what := range []string{"the bot's token", "the app's token", "Slack's password", "the AWS session token", "the cluster's token", "the cluster's password", "PagerDuty's API token"} {
				if !strings.Contains(heard(), planted[what]) {
					t.Errorf("no server was told %s, so none could repeat it", what)
				}
			}
		})
	}
}

// An address by hand: the parser takes it apart within the password.
func TestNoPieceOfAPasswordIsSaidOfAnAddressThatCannotBeUsed(t *testing.T) {
	secret := planted["Slack's password"]
	for _, password := range []string{
		secret[:6] + "/" + secret[6:], "12/" + secret, secret + "#" + secret, secret + "?x=" + secret, secret + "%zz", "12?" + secret, "12#" + secret, secret + " " + secret, secret + `"` + secret, "[" + secret,
	} {
		for _, name := range []string{"SLACK_API_URL", "REDIS_URL"} {
			for _, scheme := range []string{"http", "https", "redis", "rediss", "ftp"} {
				env := maps.Clone(tokens)
				env["REDIS_URL"] = "redis://" + closedPort(t)
				env[name] = scheme + "://bot:" + password + "@" + closedPort(t) + "/"
				if name == "REDIS_URL" {
					env["SLACK_BOT_TOKEN"] = ""
				}
				code, stdout, stderr := typed(t, env, "serve", "--config", example)
				if code == exitDone || !strings.Contains(stderr, name) && !strings.Contains(stderr, "Redis") {
					t.Errorf("%s: exit code %d, it says %s", env[name], code, stderr)
				}
				notLeaked(t, stdout+stderr)
			}
		}
	}
}

// A page is refused with the key, and whatever else is known comes back in some error:
// neither gets onto the record.
func TestNoSecretOfAnErrorReachesTheRecord(t *testing.T) {
	for _, manner := range manners {
		t.Run(manner, func(t *testing.T) {
			at, _ := parrots(t, manner)
			secrets := new(text.Secrets)
			given := plantedEnvironment(t, at, "127.0.0.1:1")
			env := secrets.Environ(func(name string) string { return given[name] })
			var said []string
			for name := range given {
				said = append(said, env(name))
			}
			pager := pagerduty.New(&pagerduty.Settings{RoutingKey: given["PAGERDUTY_ROUTING_KEY"], Endpoint: at["PagerDuty"]}, nil)
			_, err := pager.Resolve(t.Context(), engine.Call{Incident: "INC-2026-001", Plan: &runbook.Plan{}, Clock: incident.RealClock{}})
			if err == nil {
				t.Fatal("it is paged")
			}
			if manner == "refuses" && !strings.Contains(err.Error(), given["PAGERDUTY_ROUTING_KEY"]) {
				t.Errorf("PagerDuty repeats nothing, so nothing has to be kept back: %v", err)
			}
			record := incident.Hiding(enginetest.NewMemory(), secrets.Hide)
			_, err = record.Append(t.Context(), incident.Write{Incident: "INC-2026-001", Request: "r", Events: []incident.Event{{Actor: incident.Bot, Body: incident.StepFailed{
				Step: "a", Error: err.Error(), Hint: strings.Join(said, " "), Meanwhile: said,
			}}}})
			if err != nil {
				t.Fatal(err)
			}
			stored, err := record.Read(t.Context(), "INC-2026-001", 0, 0)
			if err != nil || len(stored) != 1 {
				t.Fatalf("%d events, %v", len(stored), err)
			}
			notLeaked(t, string(stored[0].Raw()))
		})
	}
}
