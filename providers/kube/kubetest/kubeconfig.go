package kubetest

import (
	"context"
	"fmt"
	"net"
	"path/filepath"
	"strings"

	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"
)

// Context is the name of a Region's context in the kubeconfig files.
func Context(region string) string { return region + "-ecommerce-prod" }

// Kubeconfig writes a kubeconfig with a context for each Region, see [Context], and
// returns the file. In it the bot is known by a certificate.
func (p *Platform) Kubeconfig() string {
	p.t.Helper()
	return p.write(func(c *controlPlane) (string, *clientcmdapi.AuthInfo) { return c.server, certified(p.user[c.region]) })
}

// KubeconfigWithPlugin is the same with a program that is asked for the credentials.
// The environment variables are added to what the program sees; its last argument is
// the Region.
func (p *Platform) KubeconfigWithPlugin(command string, env map[string]string, args ...string) string {
	p.t.Helper()
	return p.write(func(c *controlPlane) (string, *clientcmdapi.AuthInfo) {
		plugin := &clientcmdapi.ExecConfig{
			APIVersion: "client.authentication.k8s.io/v1", Command: command, Args: append(args, c.region),
			InteractiveMode: clientcmdapi.NeverExecInteractiveMode,
		}
		for name, value := range env {
			plugin.Env = append(plugin.Env, clientcmdapi.ExecEnvVar{Name: name, Value: value})
		}
		return c.server, &clientcmdapi.AuthInfo{Exec: plugin}
	})
}

// Credentials are the bot's certificate and key in a Region, as PEM.
func (p *Platform) Credentials(region string) (certificate, key []byte) {
	return p.user[region].certificate, p.user[region].key
}

// WiredKubeconfig is the same with the bot reaching each Region over a [Wire], which
// knows its identity. Its connections have to be opened by [Platform.Dial].
func (p *Platform) WiredKubeconfig() string {
	p.t.Helper()
	return p.write(func(c *controlPlane) (string, *clientcmdapi.AuthInfo) {
		return p.Wire(c.region).URL, clientcmdapi.NewAuthInfo()
	})
}

// Wire is the wire to a Region; it is opened when it is first asked for, and closed
// with the test.
func (p *Platform) Wire(region string) *Wire {
	p.t.Helper()
	if w := p.wires[region]; w != nil {
		return w
	}
	c, bot := p.planes[region], p.user[region]
	cfg := &rest.Config{Host: c.server, QPS: -1}
	cfg.CAData, cfg.CertData, cfg.KeyData = c.authority.pem, bot.certificate, bot.key
	w, closeWire, err := newWire(cfg)
	if err != nil {
		p.t.Fatal(err)
	}
	p.t.Cleanup(closeWire)
	p.wires[region] = w
	return w
}

// Dial opens the connections of a bot that was given the WiredKubeconfig.
func (p *Platform) Dial(ctx context.Context, network, address string) (net.Conn, error) {
	for _, w := range p.wires {
		if strings.TrimPrefix(w.URL, "http://") == address {
			return w.Dial(ctx, network, address)
		}
	}
	return nil, fmt.Errorf("dial %s: there is no wire to it", address)
}

func (p *Platform) write(of func(c *controlPlane) (server string, user *clientcmdapi.AuthInfo)) string {
	p.t.Helper()
	cfg := clientcmdapi.NewConfig()
	for _, region := range Regions {
		c := p.planes[region]
		server, user := of(c)
		c.addTo(cfg, Context(region), server, user)
	}
	p.config++
	file := filepath.Join(p.dir, fmt.Sprintf("kubeconfig-%d", p.config))
	if err := clientcmd.WriteToFile(*cfg, file); err != nil {
		p.t.Fatal(err)
	}
	return file
}
