package live

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/sts"
	"github.com/rs/zerolog"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"

	"github.com/failoverbot/failoverbot/incident"
	"github.com/failoverbot/failoverbot/providers/awserr"
)

// at is a clock that somebody sets.
type at struct {
	incident.RealClock
	mu  sync.Mutex
	now time.Time
}

func (c *at) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *at) pass(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

func signer(region string) aws.Config {
	return aws.Config{Region: region, Credentials: credentials.NewStaticCredentialsProvider("AKIDEXAMPLE", "not-a-secret", "")}
}

// alone keeps the SDK from finding anything of this machine.
func alone(t *testing.T) string {
	t.Helper()
	home := t.TempDir()
	for _, name := range []string{"AWS_PROFILE", "AWS_REGION", "AWS_DEFAULT_REGION", "AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_STS", "AWS_SESSION_TOKEN", "KUBECONFIG", "HTTPS_PROXY", "HTTP_PROXY"} {
		t.Setenv(name, "")
	}
	t.Setenv("HOME", home)
	t.Setenv("AWS_EC2_METADATA_DISABLED", "true")
	t.Setenv("AWS_CONFIG_FILE", filepath.Join(home, "config"))
	t.Setenv("AWS_SHARED_CREDENTIALS_FILE", filepath.Join(home, "credentials"))
	return home
}

func TestEachRegionSignsForItselfAndAsksOnce(t *testing.T) {
	alone(t)
	var mu sync.Mutex
	var scopes []string
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		defer mu.Unlock()
		_, scope, _ := strings.Cut(r.Header.Get("Authorization"), "Credential=AKIDEXAMPLE/")
		scope, _, _ = strings.Cut(scope, ",")
		scopes = append(scopes, scope)
		w.WriteHeader(http.StatusInternalServerError)
	}))
	defer s.Close()
	t.Setenv("AWS_ENDPOINT_URL", s.URL)
	t.Setenv("AWS_ACCESS_KEY_ID", "AKIDEXAMPLE")
	t.Setenv("AWS_SECRET_ACCESS_KEY", "not-a-secret")

	of, err := AWS(t.Context(), AWSSettings{Regions: []string{"us-east-1", "us-west-2"}}, zerolog.Nop())
	if err != nil {
		t.Fatal(err)
	}
	for _, region := range []string{"us-west-2", "us-east-1", "eu-central-1"} {
		if _, err := sts.NewFromConfig(of(region)).GetCallerIdentity(t.Context(), &sts.GetCallerIdentityInput{}); err == nil {
			t.Errorf("%s: a server error was taken for an answer", region)
		}
	}
	mu.Lock()
	defer mu.Unlock()
	if len(scopes) != 3 {
		t.Fatalf("3 calls were sent %d times", len(scopes))
	}
	for i, region := range []string{"us-west-2", "us-east-1", "eu-central-1"} {
		if !strings.Contains(scopes[i], "/"+region+"/sts/") {
			t.Errorf("the call to %s was signed for %s", region, scopes[i])
		}
	}
}

func TestReadingTheSettingsOfAWSCallsNobody(t *testing.T) {
	alone(t)
	var dialled atomic.Int32
	dial := NewDial(nil)
	_, err := AWS(t.Context(), AWSSettings{Regions: []string{"us-west-2"}, Dial: func(ctx context.Context, n, a string) (net.Conn, error) {
		dialled.Add(1)
		return dial(ctx, n, a)
	}}, zerolog.Nop())
	if err != nil {
		t.Fatal(err)
	}
	if n := dialled.Load(); n != 0 {
		t.Errorf("%d connections were opened", n)
	}
}

// Without credentials the SDK's error carries the name of the call that was never
// sent and the HTTP status of the machine's metadata service.
func TestACallThatNobodyCanSignWasNotSent(t *testing.T) {
	alone(t)
	metadata := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusForbidden) }))
	defer metadata.Close()
	t.Setenv("AWS_EC2_METADATA_DISABLED", "false")
	t.Setenv("AWS_EC2_METADATA_SERVICE_ENDPOINT", metadata.URL)
	var log bytes.Buffer
	of, err := AWS(t.Context(), AWSSettings{}, zerolog.New(&log))
	if err != nil {
		t.Fatal(err)
	}
	_, err = sts.NewFromConfig(of("us-west-2")).GetCallerIdentity(t.Context(), &sts.GetCallerIdentityInput{})
	f := incident.CallErrorOf(awserr.Sort(t.Context(), err))
	if err == nil || !f.Retry || f.Unknown || !strings.Contains(f.Error(), "STS GetCallerIdentity: nothing to sign the call with") || !strings.Contains(f.Hint, "credentials") {
		t.Errorf("%+v: %v", f, f.Err)
	}
	if !strings.Contains(log.String(), `"level":"debug"`) {
		t.Errorf("what the SDK says goes to %q", log.String())
	}
}

func TestAnUnknownProfileIsSaidAtOnce(t *testing.T) {
	alone(t)
	_, err := AWS(t.Context(), AWSSettings{Profile: "night-shift", Regions: []string{"us-west-2"}}, zerolog.Nop())
	if err == nil || !strings.Contains(err.Error(), "night-shift") || !strings.Contains(err.Error(), "us-west-2") {
		t.Errorf("error is %v", err)
	}
}

func TestAFurtherRegionThatCannotBeReadAnswersWithTheReason(t *testing.T) {
	alone(t)
	of, err := AWS(t.Context(), AWSSettings{Profile: "night-shift"}, zerolog.Nop())
	if err != nil {
		t.Fatal(err)
	}
	_, err = sts.NewFromConfig(of("us-west-2")).GetCallerIdentity(t.Context(), &sts.GetCallerIdentityInput{})
	if err == nil || !strings.Contains(err.Error(), "night-shift") {
		t.Errorf("error is %v", err)
	}
}

func TestATokenIsASignedQuestionForThatCluster(t *testing.T) {
	c := signer("us-west-2")
	c.BaseEndpoint = aws.String("http://127.0.0.1:1")
	token, err := newTokens(c, "ecommerce-west", incident.RealClock{}).get(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	text, ok := strings.CutPrefix(token, "k8s-aws-v1.")
	if !ok || strings.ContainsAny(text, "=+/") {
		t.Fatalf("the token is %q", token)
	}
	link, err := base64.RawURLEncoding.DecodeString(text)
	if err != nil {
		t.Fatal(err)
	}
	u, err := url.Parse(string(link))
	if err != nil {
		t.Fatal(err)
	}
	q := u.Query()
	if u.Scheme != "https" || u.Host != "sts.us-west-2.amazonaws.com" || u.Path != "/" {
		t.Errorf("the link goes to %s://%s%s", u.Scheme, u.Host, u.Path)
	}
	for key, want := range map[string]string{
		"Action": "GetCallerIdentity", "Version": "2011-06-15", "X-Amz-Expires": "60",
		"X-Amz-SignedHeaders": "host;x-k8s-aws-id", "X-Amz-Algorithm": "AWS4-HMAC-SHA256",
	} {
		if got := q.Get(key); got != want {
			t.Errorf("%s is %q, want %q", key, got, want)
		}
	}
	if scope := q.Get("X-Amz-Credential"); !strings.HasSuffix(scope, "/us-west-2/sts/aws4_request") {
		t.Errorf("the credential's scope is %q", scope)
	}
	if len(q.Get("X-Amz-Signature")) != 64 {
		t.Errorf("the signature is %q", q.Get("X-Amz-Signature"))
	}
	if strings.Contains(string(link), "not-a-secret") {
		t.Error("the secret key is in the link")
	}
}

// cluster is a Kubernetes API server, as far as listing nodes goes.
type cluster struct {
	*httptest.Server
	mu     sync.Mutex
	tokens []string
	status int
}

func newCluster(t *testing.T) *cluster {
	t.Helper()
	c := &cluster{status: http.StatusOK}
	c.Server = httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		c.mu.Lock()
		defer c.mu.Unlock()
		c.tokens = append(c.tokens, r.Header.Get("Authorization"))
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(c.status)
		body := any(map[string]any{"kind": "NodeList", "apiVersion": "v1", "items": []any{}})
		if c.status != http.StatusOK {
			body = map[string]any{"kind": "Status", "apiVersion": "v1", "status": "Failure", "reason": "Unauthorized", "code": c.status}
		}
		if err := json.NewEncoder(w).Encode(body); err != nil {
			t.Error(err)
		}
	}))
	t.Cleanup(c.Close)
	return c
}

func (c *cluster) seen() []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Clone(c.tokens)
}

func (c *cluster) answer(status int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.status = status
}

func (c *cluster) settings() Cluster {
	ca := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: c.Certificate().Raw})
	return Cluster{EKS: &EKS{Cluster: "ecommerce-west", Endpoint: "https://example.com", CA: base64.StdEncoding.EncodeToString(ca)}}
}

var nodes = schema.GroupVersionResource{Version: "v1", Resource: "nodes"}

func TestAnEKSClusterIsReachedWithATokenThatIsRenewedInTime(t *testing.T) {
	c := newCluster(t)
	clock := &at{now: time.Date(2026, 11, 20, 14, 0, 0, 0, time.UTC)}
	of := Kube(KubeSettings{
		Clusters: map[string]Cluster{"us-west-2": c.settings()},
		AWS:      signer, Clock: clock,
		Dial: NewDial(map[string]string{"example.com:443": c.Listener.Addr().String()}),
	})
	list := func() error {
		k, err := of("us-west-2")
		if err != nil {
			t.Fatal(err)
		}
		_, err = k.Resource(nodes).List(t.Context(), metav1.ListOptions{})
		return err
	}
	for _, pass := range []time.Duration{0, 9 * time.Minute, 2 * time.Minute} {
		clock.pass(pass)
		if err := list(); err != nil {
			t.Fatal(err)
		}
	}
	seen := c.seen()
	if len(seen) != 3 || !strings.HasPrefix(seen[0], "Bearer k8s-aws-v1.") {
		t.Fatalf("the cluster saw %q", seen)
	}
	if seen[0] != seen[1] {
		t.Error("the token was not kept for 9 min")
	}
	k, err := of("us-west-2")
	if err != nil {
		t.Fatal(err)
	}
	if again, err := of("us-west-2"); err != nil || again.HTTP != k.HTTP {
		t.Error("a second client was made")
	}
	if _, err := k.HTTP.Get().AbsPath("/readyz").DoRaw(t.Context()); err != nil {
		t.Errorf("what is no object: %v", err)
	}
	if seen := c.seen(); len(seen) != 4 || seen[3] != seen[2] {
		t.Errorf("it was asked for what is no object with %q", seen)
	}
}

func TestATokenIsKeptUntilItIsOldOrRefused(t *testing.T) {
	clock := &at{now: time.Date(2026, 11, 20, 14, 0, 0, 0, time.UTC)}
	ts := newTokens(signer("us-west-2"), "ecommerce-west", clock)
	made := func() time.Time {
		if _, err := ts.get(t.Context()); err != nil {
			t.Fatal(err)
		}
		return ts.made
	}
	first := made()
	clock.pass(tokenLife - time.Second)
	if !made().Equal(first) {
		t.Error("the token was made anew too early")
	}
	clock.pass(time.Second)
	if second := made(); !second.Equal(first.Add(tokenLife)) {
		t.Error("the token was not made anew")
	}
	if tokenLife >= 14*time.Minute {
		t.Error("a token would be used longer than a cluster remembers it")
	}

	c := newCluster(t)
	c.answer(http.StatusUnauthorized)
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, c.URL, http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	answer, err := (&bearer{ts, c.Client().Transport}).RoundTrip(r)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.Copy(io.Discard, answer.Body); err != nil {
		t.Fatal(err)
	}
	if err := answer.Body.Close(); err != nil {
		t.Fatal(err)
	}
	if ts.token != "" {
		t.Error("a refused token was kept")
	}
	if n := len(c.seen()); n != 1 {
		t.Errorf("the request was sent %d times", n)
	}
	if r.Header.Get("Authorization") != "" {
		t.Error("the caller's own request was changed")
	}
}

func TestACallWithoutCredentialsSaysSo(t *testing.T) {
	c := newCluster(t)
	of := Kube(KubeSettings{
		Clusters: map[string]Cluster{"us-west-2": c.settings()},
		AWS: func(r string) aws.Config {
			return aws.Config{Region: r, Credentials: unreadable{errors.New("the wallet is empty")}}
		},
		Clock: incident.RealClock{},
		Dial:  NewDial(map[string]string{"example.com:443": c.Listener.Addr().String()}),
	})
	k, err := of("us-west-2")
	if err != nil {
		t.Fatal(err)
	}
	_, err = k.Resource(nodes).List(t.Context(), metav1.ListOptions{})
	if err == nil || !strings.Contains(err.Error(), "the wallet is empty") || !strings.Contains(err.Error(), "ecommerce-west") {
		t.Errorf("error is %v", err)
	}
	if len(c.seen()) != 0 {
		t.Error("a request left without a token")
	}
}

const kubeconfig = `apiVersion: v1
kind: Config
clusters:
- {name: west, cluster: {server: "https://example.com", insecure-skip-tls-verify: true}}
users:
- {name: bot, user: {token: abc}}
- {name: program, user: {exec: {apiVersion: client.authentication.k8s.io/v1, command: no-such-program-here, interactiveMode: Never}}}
contexts:
- {name: us-west-2-ecommerce-prod, context: {cluster: west, user: bot}}
- {name: by-program, context: {cluster: west, user: program}}
`

func TestAContextOfAKubeconfigIsUsed(t *testing.T) {
	home := alone(t)
	file := filepath.Join(home, "kubeconfig")
	if err := os.WriteFile(file, []byte(kubeconfig), 0o600); err != nil {
		t.Fatal(err)
	}
	c := newCluster(t)
	of := Kube(KubeSettings{
		Clusters: map[string]Cluster{"us-west-2": {Context: "us-west-2-ecommerce-prod", Kubeconfig: file}},
		Dial:     NewDial(map[string]string{"example.com:443": c.Listener.Addr().String()}),
	})
	k, err := of("us-west-2")
	if err != nil {
		t.Fatal(err)
	}
	if n := len(c.seen()); n != 0 {
		t.Errorf("making the client called the cluster %d times", n)
	}
	if _, err := k.Resource(nodes).List(t.Context(), metav1.ListOptions{}); err != nil {
		t.Fatal(err)
	}
	if seen := c.seen(); len(seen) != 1 || seen[0] != "Bearer abc" {
		t.Errorf("the cluster saw %q", seen)
	}
}

// The API server may have carried a change out before it answers 5xx. Sent again by
// client-go, it would meet its own result and be reported as a conflict.
func TestAChangeIsSentOnceWhateverTheClusterAnswers(t *testing.T) {
	for _, c := range []struct {
		verb   string
		status int
		sent   int
	}{
		{http.MethodPatch, http.StatusServiceUnavailable, 1},
		{http.MethodPatch, http.StatusInternalServerError, 1},
		{http.MethodPatch, http.StatusTooManyRequests, 2}, // it surely was not carried out
		{http.MethodGet, http.StatusServiceUnavailable, 2},
	} {
		t.Run(fmt.Sprint(c.verb, " ", c.status), func(t *testing.T) {
			var sent atomic.Int32
			s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				w.Header().Set("Content-Type", "application/json")
				code := http.StatusOK
				if sent.Add(1) == 1 {
					w.Header().Set("Retry-After", "1")
					code = c.status
				}
				w.WriteHeader(code)
				if _, err := fmt.Fprintf(w, `{"kind":"Node","apiVersion":"v1","code":%d,"metadata":{"name":"a"}}`, code); err != nil {
					t.Error(err)
				}
			}))
			defer s.Close()
			file := filepath.Join(alone(t), "kubeconfig")
			plain := strings.ReplaceAll(kubeconfig, `"https://example.com", insecure-skip-tls-verify: true`, `"`+s.URL+`"`)
			if err := os.WriteFile(file, []byte(plain), 0o600); err != nil {
				t.Fatal(err)
			}
			k, err := Kube(KubeSettings{Clusters: map[string]Cluster{"us-west-2": {Context: "us-west-2-ecommerce-prod", Kubeconfig: file}}})("us-west-2")
			if err != nil {
				t.Fatal(err)
			}
			if c.verb == http.MethodGet {
				_, err = k.Resource(nodes).Get(t.Context(), "a", metav1.GetOptions{})
			} else {
				_, err = k.Resource(nodes).Patch(t.Context(), "a", types.MergePatchType, []byte(`{}`), metav1.PatchOptions{})
			}
			if (err == nil) != (c.sent == 2) {
				t.Errorf("the caller was told %v", err)
			}
			if n := int(sent.Load()); n != c.sent {
				t.Errorf("it was sent %d times, want %d", n, c.sent)
			}
		})
	}
}

func TestWhatTheSettingsLackIsSaidInASentence(t *testing.T) {
	home := alone(t)
	file := filepath.Join(home, "kubeconfig")
	if err := os.WriteFile(file, []byte(kubeconfig), 0o600); err != nil {
		t.Fatal(err)
	}
	good := newCluster(t).settings()
	for name, c := range map[string]struct {
		settings Cluster
		want     string
	}{
		"neither":         {Cluster{}, `give "context"`},
		"both":            {Cluster{Context: "x", EKS: good.EKS}, "keep one"},
		"no such context": {Cluster{Context: "us-west-3", Kubeconfig: file}, `no context "us-west-3"; it has by-program, us-west-2-ecommerce-prod`},
		"no such file":    {Cluster{Context: "x", Kubeconfig: filepath.Join(home, "gone")}, "there is no kubeconfig"},
		"nothing found":   {Cluster{Context: "x"}, `no kubeconfig was found that has a context "x"`},
		"no such program": {Cluster{Context: "by-program", Kubeconfig: file}, `"no-such-program-here", which is not here`},
		"plain endpoint":  {Cluster{EKS: &EKS{Cluster: "c", Endpoint: "http://x", CA: good.EKS.CA}}, `"endpoint" has to be an https address`},
		"no certificate":  {Cluster{EKS: &EKS{Cluster: "c", Endpoint: "https://x", CA: "aGVsbG8="}}, `"ca" has to be the base64 text`},
		"no cluster name": {Cluster{EKS: &EKS{Endpoint: "https://x", CA: good.EKS.CA}}, `"cluster" is missing`},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := Kube(KubeSettings{Clusters: map[string]Cluster{"us-west-2": c.settings}, AWS: signer, Clock: incident.RealClock{}})("us-west-2")
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Fatalf("error is %v, want one with %q", err, c.want)
			}
			if !incident.CallErrorOf(err).NeedsPerson || incident.CallErrorOf(err).Unknown {
				t.Error("the error is not one for a person to mend")
			}
		})
	}
	_, err := Kube(KubeSettings{Clusters: map[string]Cluster{"us-west-2": good}})("us-east-1")
	if err == nil || !strings.Contains(err.Error(), "no Kubernetes cluster for us-east-1; they do for us-west-2") {
		t.Errorf("error is %v", err)
	}
}

func TestAConnectionGoesElsewhereWhenToldSo(t *testing.T) {
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if _, err := io.WriteString(w, r.Host); err != nil {
			t.Error(err)
		}
	}))
	defer s.Close()
	client := &http.Client{Transport: &http.Transport{
		DialContext:       NewDial(map[string]string{"us-west-2.api.ecommerce.com:80": s.Listener.Addr().String()}),
		DisableKeepAlives: true,
	}}
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://us-west-2.api.ecommerce.com/", http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	answer, err := client.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = answer.Body.Close() }() // read whole below
	if body, err := io.ReadAll(answer.Body); err != nil || string(body) != "us-west-2.api.ecommerce.com" {
		t.Errorf("the host asked for was %q (%v)", body, err)
	}
}

// client-go runs a kubeconfig's program without looking at the call that it is for.
func TestACallEndsAtItsDeadlineWhateverTheProgramForCredentialsDoes(t *testing.T) {
	file := filepath.Join(alone(t), "kubeconfig")
	slow := strings.ReplaceAll(kubeconfig, "command: no-such-program-here", "command: sleep, args: ['8']")
	if err := os.WriteFile(file, []byte(slow), 0o600); err != nil {
		t.Fatal(err)
	}
	k, err := Kube(KubeSettings{Clusters: map[string]Cluster{"us-west-2": {Context: "by-program", Kubeconfig: file}}})("us-west-2")
	if err != nil {
		t.Fatal(err)
	}
	var all sync.WaitGroup
	for range 3 { // the second and third would wait for the first one's program
		all.Go(func() {
			ctx, stop := incident.RealClock{}.WithTimeout(t.Context(), 200*time.Millisecond, errors.New("the check's time is up"))
			defer stop()
			_, err := k.Resource(nodes).List(ctx, metav1.ListOptions{})
			if err == nil || !strings.Contains(err.Error(), `the program "sleep"`) || !strings.Contains(err.Error(), `"eks"`) {
				t.Errorf("the error is %v", err)
			}
		})
	}
	ended := make(chan struct{})
	go func() { all.Wait(); close(ended) }()
	select {
	case <-ended:
	case <-time.After(6 * time.Second):
		t.Fatal("the calls wait for the program")
	}
}

func TestWhatIsDivertedGoesThroughNoProxy(t *testing.T) {
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "https://rds.us-west-2.amazonaws.com/", http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	if by, err := NewProxy(map[string]string{"rds.us-west-2.amazonaws.com:443": "127.0.0.1:1"})(r); by != nil || err != nil {
		t.Errorf("a diverted host goes by %v (%v)", by, err)
	}
}

// The calls to a Region are signed with the role that its settings name, which is assumed
// at that Region's own STS and once; where none is named the chain's own sign.
func TestARoleIsAssumedAtTheRegionsOwnSTS(t *testing.T) {
	alone(t)
	var mu sync.Mutex
	var calls []string
	refuse := false
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		defer mu.Unlock()
		if err := r.ParseForm(); err != nil {
			t.Error(err)
		}
		_, by, _ := strings.Cut(r.Header.Get("Authorization"), "Credential=")
		by, _, _ = strings.Cut(by, ",")
		key, scope, _ := strings.Cut(by, "/")
		region := strings.Split(scope, "/")[1]
		calls = append(calls, strings.TrimSpace(fmt.Sprintln(r.Form.Get("Action"), region, key, r.Form.Get("RoleArn"), r.Form.Get("ExternalId"), r.Header.Get("X-Amz-Security-Token"))))
		switch {
		case r.Form.Get("Action") != "AssumeRole":
			w.WriteHeader(http.StatusInternalServerError)
		case refuse:
			w.WriteHeader(http.StatusForbidden)
			_, _ = io.WriteString(w, `<ErrorResponse><Error><Type>Sender</Type><Code>AccessDenied</Code><Message>User failoverbot is not authorized to perform sts:AssumeRole on role/failoverbot</Message></Error></ErrorResponse>`)
		default:
			_, _ = fmt.Fprintf(w, `<AssumeRoleResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><AssumeRoleResult><Credentials><AccessKeyId>ASIA%s</AccessKeyId><SecretAccessKey>s</SecretAccessKey><SessionToken>session</SessionToken><Expiration>%s</Expiration></Credentials></AssumeRoleResult></AssumeRoleResponse>`,
				region, time.Now().Add(time.Hour).UTC().Format(time.RFC3339))
		}
	}))
	defer s.Close()
	t.Setenv("AWS_ENDPOINT_URL", s.URL)
	t.Setenv("AWS_ACCESS_KEY_ID", "AKIDEXAMPLE")
	t.Setenv("AWS_SECRET_ACCESS_KEY", "not-a-secret")
	role := Role{"arn:aws:iam::210987654321:role/failoverbot", "west"}
	settings := AWSSettings{Regions: []string{"us-east-1", "us-west-2"}, Roles: map[string]Role{"us-west-2": role}}
	of, err := AWS(t.Context(), settings, zerolog.Nop())
	if err != nil {
		t.Fatal(err)
	}
	if len(calls) > 0 {
		t.Errorf("reading the settings called %v", calls)
	}
	ask := func(of func(string) aws.Config, region string) error {
		_, err := sts.NewFromConfig(of(region)).GetCallerIdentity(t.Context(), &sts.GetCallerIdentityInput{})
		return err
	}
	for _, region := range []string{"us-west-2", "us-west-2", "us-east-1"} {
		_ = ask(of, region)
	}
	want := []string{
		"AssumeRole us-west-2 AKIDEXAMPLE arn:aws:iam::210987654321:role/failoverbot west",
		"GetCallerIdentity us-west-2 ASIAus-west-2   session", "GetCallerIdentity us-west-2 ASIAus-west-2   session",
		"GetCallerIdentity us-east-1 AKIDEXAMPLE",
	}
	if !slices.Equal(calls, want) {
		t.Errorf("called\n%s\nwant\n%s", strings.Join(calls, "\n"), strings.Join(want, "\n"))
	}
	// A role that may not be assumed: nothing was sent, and the right that is missing is named.
	refuse = true
	if of, err = AWS(t.Context(), settings, zerolog.Nop()); err != nil {
		t.Fatal(err)
	}
	f := incident.CallErrorOf(awserr.Sort(t.Context(), ask(of, "us-west-2")))
	if f.Unknown || !strings.Contains(f.Error(), "nothing to sign the call with") || !strings.Contains(f.Error(), "sts:AssumeRole") {
		t.Errorf("%+v: %v", f, f)
	}
}
