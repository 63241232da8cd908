package live

import (
	"context"
	"crypto/x509"
	"encoding/base64"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"net/http"
	"net/url"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/aws/aws-sdk-go-v2/aws"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	"k8s.io/client-go/tools/clientcmd/api"

	"github.com/failoverbot/failoverbot/incident"
	"github.com/failoverbot/failoverbot/incident/runbook/strict"
	"github.com/failoverbot/failoverbot/providers/kubeapi"
)

// Cluster says how the Kubernetes cluster of one Region is reached: by a context
// of a kubeconfig, or as an EKS cluster. Exactly one of the two is given.
type Cluster struct {
	// Context is the name of a context of the kubeconfig. Empty: EKS is used. A
	// context that runs a program for its credentials needs that program here.
	Context string `yaml:"context,omitempty"`
	// Kubeconfig is the file that Context is in. Empty: where client-go looks by
	// itself.
	Kubeconfig string `yaml:"kubeconfig,omitempty"`
	// EKS is the cluster with what is needed to reach it while the EKS API is
	// down. Nil: Context is used.
	EKS *EKS `yaml:"eks,omitempty"`
}

// EKS is an EKS cluster. The values are those of `aws eks describe-cluster`,
// kept in the settings so that nobody has to be asked for them during an outage.
type EKS struct {
	// Cluster is its name: part of what is signed.
	Cluster string `yaml:"cluster"`
	// Endpoint is its address, https and host.
	Endpoint string `yaml:"endpoint"`
	// CA is its certificateAuthority.data: base64 of PEM.
	CA string `yaml:"ca"`
}

// Faults says what is wrong with the settings of a cluster, each as a sentence
// that starts with the key it is about; none when it can be tried.
func (c Cluster) Faults() []string {
	var out []string
	switch {
	case c.EKS == nil && c.Context == "":
		return []string{`give "context" (of a kubeconfig) or "eks" (cluster, endpoint and ca)`}
	case c.EKS != nil && (c.Context != "" || c.Kubeconfig != ""):
		out = append(out, `"context" and "eks" are two ways to the same cluster: keep one`)
	}
	if c.EKS == nil {
		return out
	}
	if c.EKS.Cluster == "" {
		out = append(out, `"cluster" is missing: the name of the EKS cluster`)
	}
	if u, err := url.Parse(c.EKS.Endpoint); err != nil || u.Scheme != "https" || u.Host == "" {
		out = append(out, `"endpoint" has to be an https address, as "aws eks describe-cluster" shows it`)
	}
	if _, err := c.EKS.authority(); err != nil {
		out = append(out, `"ca" `+err.Error())
	}
	return out
}

func (e *EKS) authority() ([]byte, error) {
	pem, err := base64.StdEncoding.DecodeString(strings.Join(strings.Fields(e.CA), ""))
	if err != nil || !x509.NewCertPool().AppendCertsFromPEM(pem) {
		return nil, errors.New(`has to be the base64 text that "aws eks describe-cluster" shows as certificateAuthority.data`)
	}
	return pem, nil
}

// KubeSettings say how the clusters are reached.
type KubeSettings struct {
	// Clusters by AWS Region.
	Clusters map[string]Cluster
	// AWS signs for EKS clusters; see [AWS]. Needed only if there are any.
	AWS func(region string) aws.Config
	// Clock tells when a token has grown old.
	Clock incident.Clock
	// Dial opens the connections; nil: NewDial(nil).
	Dial Dial
	// Proxy chooses one for a request where the kubeconfig names none; nil: the
	// environment's.
	Proxy func(*http.Request) (*url.URL, error)
	// Secret is told of every token and password that a cluster is shown; nil: nobody is.
	Secret func(values ...string)
}

// Kube returns a function that gives the connection to the cluster of a Region. They
// are made when they are first asked for, and kept; making one calls nobody. It
// may be called by anybody at any time. Its errors are sentences that say what
// the settings lack.
func Kube(s KubeSettings) func(region string) (kubeapi.Client, error) {
	k := &clusters{KubeSettings: s, clients: map[string]kubeapi.Client{}}
	return k.client
}

type clusters struct {
	KubeSettings
	mu      sync.Mutex
	clients map[string]kubeapi.Client
}

func (k *clusters) client(region string) (kubeapi.Client, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if c, made := k.clients[region]; made {
		return c, nil
	}
	cfg, err := k.rest(region)
	if err != nil {
		return kubeapi.Client{}, &incident.CallError{NeedsPerson: true, Err: err, Hint: `correct "kubernetes" in the settings and start again`}
	}
	all, err := rest.HTTPClientFor(cfg)
	if err != nil {
		return kubeapi.Client{}, &incident.CallError{NeedsPerson: true, Err: fmt.Errorf("make the Kubernetes client of %s: %w", region, err)}
	}
	program := ""
	if cfg.ExecProvider != nil {
		program = cfg.ExecProvider.Command
	}
	all.Transport = bounded{all.Transport, program}
	asked, err := rest.UnversionedRESTClientForConfigAndClient(dynamic.ConfigFor(cfg), all)
	if err != nil {
		return kubeapi.Client{}, &incident.CallError{NeedsPerson: true, Err: fmt.Errorf("make the Kubernetes client of %s: %w", region, err)}
	}
	c := kubeapi.Client{Interface: dynamic.New(asked), HTTP: asked, Forward: forwarding(cfg)}
	k.clients[region] = c
	return c, nil
}

func (k *clusters) rest(region string) (*rest.Config, error) {
	c, ok := k.Clusters[region]
	if !ok {
		return nil, fmt.Errorf("the settings name no Kubernetes cluster for %s; they do for %s",
			region, strings.Join(slices.Sorted(maps.Keys(k.Clusters)), ", "))
	}
	if faults := c.Faults(); len(faults) > 0 {
		return nil, fmt.Errorf("the Kubernetes cluster of %s: %s", region, strings.Join(faults, "; "))
	}
	cfg := &rest.Config{}
	var err error
	if c.EKS == nil {
		cfg, err = c.fromContext()
	} else {
		err = k.toEKS(cfg, region, c.EKS)
	}
	if err != nil {
		return nil, fmt.Errorf("the Kubernetes cluster of %s: %w", region, err)
	}
	cfg.Dial = k.Dial
	if cfg.Dial == nil {
		cfg.Dial = NewDial(nil)
	}
	if cfg.Proxy == nil {
		cfg.Proxy = k.Proxy
	}
	cfg.UserAgent = "failoverbot"
	// The steps bound themselves; client-go's own limit of 5 a second would make
	// five services queue in the one hour in which it matters.
	cfg.QPS, cfg.Burst = 50, 100
	cfg.WarningHandler = rest.NoWarnings{}
	cfg.Wrap(func(next http.RoundTripper) http.RoundTripper { return once{next, k.Secret} })
	return cfg, nil
}

// once keeps client-go from sending a change again by itself. It does so after any 5xx
// that says when to ask again, and then takes the conflict that the second one meets
// for an answer to the first: what was done would be reported as not done. A 429 was
// not carried out, and is left to it.
type once struct {
	next   http.RoundTripper
	secret func(values ...string)
}

// RoundTrip takes the time to ask again out of an answer that leaves open what became
// of a change.
func (o once) RoundTrip(r *http.Request) (*http.Response, error) {
	if sent, ok := r.Context().Value(leaving{}).(*atomic.Bool); ok {
		sent.Store(true)
	}
	if err := late(r.Context()); err != nil {
		return nil, err
	}
	if o.secret != nil {
		// Whatever it came from (the kubeconfig, a file, a program), it stands here.
		_, token, _ := strings.Cut(r.Header.Get("Authorization"), " ")
		_, password, _ := r.BasicAuth()
		o.secret(token, password)
	}
	answer, err := o.next.RoundTrip(r)
	if err == nil && r.Method != http.MethodGet && answer.StatusCode >= http.StatusInternalServerError {
		answer.Header.Del("Retry-After")
	}
	return answer, err
}

// bounded returns when the request's time is up, whatever it waits for: client-go runs
// programs for credentials without looking at the request, and lets all others wait
// for the same one. A request whose time is up does not leave afterwards.
type bounded struct {
	next    http.RoundTripper
	program string // what is run for credentials; empty: nothing is
}

// leaving is where a request's context keeps whether it has got its credentials.
type leaving struct{}

// RoundTrip is that of next, until the request's context ends.
func (b bounded) RoundTrip(r *http.Request) (*http.Response, error) {
	var sent atomic.Bool
	ctx := r.Context()
	type answer struct {
		resp *http.Response
		err  error
	}
	got := make(chan answer, 1)
	go func() { // ends when what it waits for does
		resp, err := b.next.RoundTrip(r.WithContext(context.WithValue(ctx, leaving{}, &sent))) //nolint:bodyclose // closed by whoever takes it
		got <- answer{resp, err}
	}()
	select {
	case a := <-got:
		return a.resp, a.err
	case <-ctx.Done():
	}
	go func() {
		if a := <-got; a.err == nil {
			_ = a.resp.Body.Close() // nobody waits for it any more
		}
	}()
	if b.program != "" && !sent.Load() {
		return nil, fmt.Errorf("the program %q, which the kubeconfig runs for credentials, has not answered: %w; \"eks\" in the settings needs no program", b.program, context.Cause(ctx))
	}
	return nil, context.Cause(ctx)
}

func (k *clusters) toEKS(cfg *rest.Config, region string, e *EKS) error {
	if k.AWS == nil || k.Clock == nil {
		return errors.New("an EKS cluster needs AWS credentials to sign its tokens, and none were handed over")
	}
	ca, err := e.authority()
	if err != nil {
		return fmt.Errorf(`"ca" %w`, err)
	}
	cfg.Host = e.Endpoint
	cfg.CAData = ca
	t := newTokens(k.AWS(region), e.Cluster, k.Clock)
	cfg.WrapTransport = func(next http.RoundTripper) http.RoundTripper { return &bearer{t, next} }
	return nil
}

// readable says whether the files that a context names can be read to their end. Whoever
// opens a pipe waits for its other end.
func readable(all *api.Config, context string) error {
	files := map[string]string{}
	if c := all.Clusters[all.Contexts[context].Cluster]; c != nil {
		files["certificate-authority"] = c.CertificateAuthority
	}
	if u := all.AuthInfos[all.Contexts[context].AuthInfo]; u != nil {
		files["client-certificate"], files["client-key"], files["tokenFile"] = u.ClientCertificate, u.ClientKey, u.TokenFile
	}
	for _, what := range slices.Sorted(maps.Keys(files)) {
		if files[what] == "" {
			continue
		}
		if _, err := strict.ReadFile(files[what]); err != nil {
			return fmt.Errorf("its %s: %w", what, err)
		}
	}
	return nil
}

// load reads a kubeconfig, or, where none is named, those that client-go finds by itself.
func load(kubeconfig string) (*api.Config, *clientcmd.ClientConfigLoadingRules, error) {
	rules := clientcmd.NewDefaultClientConfigLoadingRules()
	rules.ExplicitPath = kubeconfig
	rules.WarnIfAllMissing = false
	for _, file := range rules.GetLoadingPrecedence() {
		if _, err := strict.ReadFile(file); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return nil, nil, fmt.Errorf("read the kubeconfig: %w", err)
		}
	}
	all, err := rules.Load()
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, nil, fmt.Errorf("there is no kubeconfig %s", kubeconfig)
	case err != nil:
		return nil, nil, fmt.Errorf("read the kubeconfig: %w", err)
	}
	return all, rules, nil
}

// Contexts are those of a kubeconfig, or, where none is named, of those that client-go finds
// by itself: the address of each one's cluster, by its name.
func Contexts(kubeconfig string) (map[string]string, error) {
	all, _, err := load(kubeconfig)
	if err != nil {
		return nil, err
	}
	out := map[string]string{}
	for name, c := range all.Contexts {
		out[name] = ""
		if cluster := all.Clusters[c.Cluster]; cluster != nil {
			out[name] = cluster.Server
		}
	}
	return out, nil
}

func (c Cluster) fromContext() (*rest.Config, error) {
	all, rules, err := load(c.Kubeconfig)
	if err != nil {
		return nil, err
	}
	if _, ok := all.Contexts[c.Context]; !ok {
		there := strings.Join(slices.Sorted(maps.Keys(all.Contexts)), ", ")
		if there == "" {
			return nil, fmt.Errorf("no kubeconfig was found that has a context %q", c.Context)
		}
		return nil, fmt.Errorf("the kubeconfig has no context %q; it has %s", c.Context, there)
	}
	if err := readable(all, c.Context); err != nil {
		return nil, fmt.Errorf("use the kubeconfig's context %q: %w", c.Context, err)
	}
	cfg, err := clientcmd.NewNonInteractiveClientConfig(*all, c.Context, nil, rules).ClientConfig()
	if err != nil {
		return nil, fmt.Errorf("use the kubeconfig's context %q: %w", c.Context, err)
	}
	if p := cfg.ExecProvider; p != nil {
		if _, err := exec.LookPath(p.Command); err != nil {
			return nil, fmt.Errorf(`the context %q gets its credentials from the program %q, which is not here: install it, or use "eks" instead of "context"`, c.Context, p.Command)
		}
	}
	return cfg, nil
}
