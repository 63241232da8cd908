package kubetest

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"

	_ "embed"
)

// stages are how the pods of the pretend nodes live; kwok plays them.
//
//go:embed stages.yaml
var stages []byte

// patience is how long a control plane may take to be ready: it is done within some
// seconds on a quiet machine.
const patience = 3 * time.Minute

// controlPlane is the cluster of one Region.
type controlPlane struct {
	region    string
	dir       string
	programs  programs
	processes *processes
	started   []*process
	authority *authority
	server    string // https://127.0.0.1:port
	admin     *rest.Config
	client    dynamic.Interface
}

// programs are where the components are: component -> the command line's beginning.
type programs map[string][]string

var (
	apiComponents     = []string{"etcd", "kube-apiserver"}
	rolloutComponents = []string{"kube-controller-manager", "kube-scheduler", "kwok"}
)

// lack is the first of the components that is not there, or nothing.
func (p programs) lack(components []string) string {
	for _, c := range components {
		if len(p[c]) == 0 {
			return c
		}
	}
	return ""
}

// findPrograms looks for the binary that has all components, then for envtest's,
// which have the two that keep objects. It is empty when neither is there.
func findPrograms() (programs, error) {
	out := programs{}
	if dir := os.Getenv("KUBEBUILDER_ASSETS"); dir != "" {
		for _, c := range apiComponents {
			if file := filepath.Join(dir, c); isProgram(file) {
				out[c] = []string{file}
			}
		}
	}
	box := os.Getenv("FAILOVERBOT_KUBEBOX")
	if box != "" && !isProgram(box) {
		return nil, fmt.Errorf("FAILOVERBOT_KUBEBOX says %s, and that is no program", box)
	}
	if box == "" {
		root, err := moduleRoot()
		if err != nil {
			return nil, err
		}
		if box = filepath.Join(root, ".bin", "kubebox"); !isProgram(box) {
			return out, nil
		}
	}
	for _, c := range slices.Concat(apiComponents, rolloutComponents) {
		out[c] = []string{box, c}
	}
	return out, nil
}

func isProgram(file string) bool {
	info, err := os.Stat(file)
	return err == nil && info.Mode().IsRegular() && info.Mode()&0o111 != 0
}

// moduleRoot is the directory with go.mod, above the package under test.
func moduleRoot() (string, error) {
	dir, err := os.Getwd()
	if err != nil {
		return "", fmt.Errorf("find the module: %w", err)
	}
	for {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			return dir, nil
		}
		up := filepath.Dir(dir)
		if up == dir {
			return "", errors.New("find the module: there is no go.mod above the package under test")
		}
		dir = up
	}
}

// startControlPlane starts a Region's cluster with its data in dir, and returns when
// it answers. A port that was free a moment ago may be taken by then: it tries again.
func startControlPlane(region, dir string, programs programs, need Need, p *processes) (*controlPlane, error) {
	const attempts = 3
	for try := 1; ; try++ {
		c := &controlPlane{region: region, dir: filepath.Join(dir, strconv.Itoa(try)), programs: programs, processes: p}
		err := c.start()
		if err == nil && need == Rollouts {
			err = c.startRollouts()
		}
		if err == nil {
			return c, nil
		}
		for _, p := range slices.Backward(c.started) {
			p.kill()
		}
		if try == attempts || !strings.Contains(err.Error(), "address already in use") {
			return nil, fmt.Errorf("start the control plane of %s: %w", region, err)
		}
	}
}

func (c *controlPlane) start() error {
	if err := os.MkdirAll(c.dir, 0o700); err != nil {
		return err
	}
	if err := c.identities(); err != nil {
		return err
	}
	ports, err := freePorts(3)
	if err != nil {
		return err
	}
	clients, peers := "http://127.0.0.1:"+ports[0], "http://127.0.0.1:"+ports[1]
	c.server = "https://127.0.0.1:" + ports[2]
	if err := c.admins(); err != nil {
		return err
	}
	err = c.run("etcd", "--name", c.region, "--data-dir", c.file("etcd"), "--unsafe-no-fsync", "--log-level", "warn",
		"--listen-client-urls", clients, "--advertise-client-urls", clients,
		"--listen-peer-urls", peers, "--initial-advertise-peer-urls", peers, "--initial-cluster", c.region+"="+peers)
	if err != nil {
		return err
	}
	err = c.run("kube-apiserver", "--etcd-servers", clients,
		"--bind-address", "127.0.0.1", "--advertise-address", "127.0.0.1", "--secure-port", ports[2], "--endpoint-reconciler-type", "none",
		"--cert-dir", c.file("certs"), "--tls-cert-file", c.file("server.crt"), "--tls-private-key-file", c.file("server.key"),
		"--client-ca-file", c.file("ca.crt"), "--authorization-mode", "RBAC",
		"--service-account-issuer", "https://kubernetes.default.svc", "--service-cluster-ip-range", "10.96.0.0/16",
		"--service-account-key-file", c.file("accounts.pub"), "--service-account-signing-key-file", c.file("accounts.key"),
		// The pods here ask nobody for anything, so they need not wait for an account.
		"--disable-admission-plugins", "ServiceAccount")
	if err != nil {
		return err
	}
	return c.ready()
}

// startRollouts starts what makes pods of Deployments, and the nodes below them.
func (c *controlPlane) startRollouts() error {
	quick := []string{"--kube-api-qps", "300", "--kube-api-burst", "600", "--leader-elect=false", "--secure-port", "0", "--kubeconfig", c.file("kubeconfig")}
	err := c.run("kube-controller-manager", append(quick,
		"--service-account-private-key-file", c.file("accounts.key"), "--root-ca-file", c.file("ca.crt"),
		"--flex-volume-plugin-dir", c.file("flexvolume"),
		// An autoscaler has no metrics here, and holds to its limits all the same.
		"--horizontal-pod-autoscaler-sync-period", "1s")...)
	if err != nil {
		return err
	}
	if err := c.run("kube-scheduler", quick...); err != nil {
		return err
	}
	// Port 0 keeps kwok's own server away: it would listen on all addresses.
	if err = c.run("kwok", "--kubeconfig", c.file("kubeconfig"), "-c", c.file("stages.yaml"), "--cidr", "10.1.0.0/16",
		"--manage-nodes-with-label-selector", nodeLabel+"=kwok", "--node-ip", "127.0.0.1", "--node-port", "0", "--node-lease-duration-seconds", "40"); err != nil {
		return err
	}
	return c.addNodes()
}

// run starts a component. It sees nothing of this machine's environment.
func (c *controlPlane) run(component string, args ...string) error {
	line := append(append([]string{}, c.programs[component]...), args...)
	cmd := exec.Command(line[0], line[1:]...)
	cmd.Dir = c.dir
	cmd.Env = []string{"HOME=" + c.dir, "TMPDIR=" + c.dir, "PATH=" + os.Getenv("PATH")}
	p, err := c.processes.start(component+" in "+c.region, c.file(component+".log"), cmd)
	if err == nil {
		c.started = append(c.started, p)
	}
	return err
}

// ended is what components said that have ended although they should not have; empty
// when all are there.
func (c *controlPlane) ended() string {
	var out string
	for _, p := range c.started {
		if !p.alive() {
			out += fmt.Sprintf("\n%s ended; it said:\n%s", p.name, p.said())
		}
	}
	return out
}

func (c *controlPlane) file(name string) string { return filepath.Join(c.dir, name) }

// identities makes the keys and certificates and writes those that are read from files.
func (c *controlPlane) identities() error {
	var err error
	if c.authority, err = newAuthority(); err != nil {
		return err
	}
	server, err := c.authority.server()
	if err != nil {
		return err
	}
	secret, public, err := signer()
	if err != nil {
		return err
	}
	for name, data := range map[string][]byte{
		"ca.crt": c.authority.pem, "server.crt": server.certificate, "server.key": server.key,
		"accounts.key": secret, "accounts.pub": public, "stages.yaml": stages,
	} {
		if err := os.WriteFile(c.file(name), data, 0o600); err != nil {
			return err
		}
	}
	return nil
}

// admins makes the settings of somebody who may do everything, for the components and
// for tests that prepare the cluster.
func (c *controlPlane) admins() error {
	admin, err := c.authority.user("admin", "system:masters")
	if err != nil {
		return err
	}
	cfg := clientcmdapi.NewConfig()
	c.addTo(cfg, c.region, c.server, certified(admin))
	cfg.CurrentContext = c.region
	if err := clientcmd.WriteToFile(*cfg, c.file("kubeconfig")); err != nil {
		return err
	}
	c.admin = &rest.Config{Host: c.server, QPS: -1, WarningHandler: rest.NoWarnings{}}
	c.admin.CAData, c.admin.CertData, c.admin.KeyData = c.authority.pem, admin.certificate, admin.key
	c.client, err = dynamic.NewForConfig(c.admin)
	return err
}

// addTo adds this cluster to a kubeconfig, under the context's name.
func (c *controlPlane) addTo(cfg *clientcmdapi.Config, context, server string, user *clientcmdapi.AuthInfo) {
	cluster := &clientcmdapi.Cluster{Server: server}
	if strings.HasPrefix(server, "https:") {
		cluster.CertificateAuthorityData = c.authority.pem
	}
	maps.Copy(cfg.Clusters, map[string]*clientcmdapi.Cluster{context: cluster})
	maps.Copy(cfg.AuthInfos, map[string]*clientcmdapi.AuthInfo{context: user})
	maps.Copy(cfg.Contexts, map[string]*clientcmdapi.Context{context: {Cluster: context, AuthInfo: context}})
}

func certified(i identity) *clientcmdapi.AuthInfo {
	return &clientcmdapi.AuthInfo{ClientCertificateData: i.certificate, ClientKeyData: i.key}
}

// ready waits until the API server says that it is, or something has ended.
func (c *controlPlane) ready() error {
	client, err := rest.HTTPClientFor(c.admin)
	if err != nil {
		return err
	}
	client.Timeout = 5 * time.Second
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	for {
		if ended := c.ended(); ended != "" {
			return errors.New(ended)
		}
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, c.server+"/readyz", nil)
		if err != nil {
			return err
		}
		answer, err := client.Do(req)
		if err == nil {
			_ = answer.Body.Close() // the status says it
			if answer.StatusCode == http.StatusOK {
				return nil
			}
		}
		select {
		case <-ctx.Done():
			last := c.started[len(c.started)-1]
			return fmt.Errorf("%s is not ready after %s; it said:\n%s", last.name, patience, last.said())
		case <-time.After(100 * time.Millisecond):
		}
	}
}

// freePorts are ports of loopback that nobody listens on at this moment.
func freePorts(n int) ([]string, error) {
	var ports []string
	for range n {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			return nil, fmt.Errorf("find a free port: %w", err)
		}
		// All are held until all are known, so that none is given twice.
		defer func() { _ = l.Close() }()
		_, port, err := net.SplitHostPort(l.Addr().String())
		if err != nil {
			return nil, fmt.Errorf("find a free port: %w", err)
		}
		ports = append(ports, port)
	}
	return ports, nil
}
