//go:build unix

package live

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/rs/zerolog"

	"github.com/failoverbot/failoverbot/incident/runbook/strict"
)

// A kubeconfig, and what it names, is a file that ends: everything else is refused
// before it is opened.
func TestOnlyFilesThatEndAreReadForACluster(t *testing.T) {
	dir := t.TempDir()
	in := func(name string) string { return filepath.Join(dir, name) }
	write := func(name, text string) string {
		if err := os.WriteFile(in(name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return in(name)
	}
	if err := syscall.Mkfifo(in("pipe"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(in("nowhere"), in("dangling")); err != nil {
		t.Fatal(err)
	}
	kinds := map[string]string{
		in("pipe"): "it is a named pipe", "/dev/zero": "it is a device", dir: "it is a folder",
		write("large", strings.Repeat("#", strict.Limit+1)): "it is larger than 1 MiB",
	}
	config := func(server, user string) string {
		return write("config", fmt.Sprintf("apiVersion: v1\nkind: Config\nclusters: [{name: c, cluster: {server: \"https://127.0.0.1:9\"%s}}]\nusers: [{name: u, user: {%s}}]\ncontexts: [{name: shop, context: {cluster: c, user: u}}]\n", server, user))
	}
	cert := write("cert", "-----BEGIN CERTIFICATE-----\n")
	for file, want := range kinds {
		if _, err := (Cluster{Kubeconfig: file, Context: "shop"}).fromContext(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s as the kubeconfig: %v", file, err)
		}
		for given, of := range map[string][2]string{
			"certificate-authority": {", certificate-authority: " + file, "token: t"},
			"client-certificate":    {"", "client-certificate: " + file + ", client-key: " + cert},
			"client-key":            {"", "client-certificate: " + cert + ", client-key: " + file},
			"tokenFile":             {"", "tokenFile: " + file},
		} {
			_, err := (Cluster{Kubeconfig: config(of[0], of[1]), Context: "shop"}).fromContext()
			if err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), given) {
				t.Errorf("%s as %s: %v", file, given, err)
			}
		}
	}
	if _, err := (Cluster{Kubeconfig: in("dangling"), Context: "shop"}).fromContext(); err == nil || !strings.Contains(err.Error(), "there is no kubeconfig") {
		t.Errorf("a link to nothing: %v", err)
	}
	if _, err := (Cluster{Kubeconfig: config("", "token: t"), Context: "shop"}).fromContext(); err != nil {
		t.Errorf("one that is well: %v", err)
	}
}

// The same of the files that the AWS SDK opens by itself.
func TestOnlyFilesThatEndAreReadForAWS(t *testing.T) {
	pipe := filepath.Join(t.TempDir(), "pipe")
	if err := syscall.Mkfifo(pipe, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE", "AWS_CA_BUNDLE", "AWS_WEB_IDENTITY_TOKEN_FILE"} {
		t.Run(name, func(t *testing.T) {
			t.Setenv(name, pipe)
			if _, err := AWS(t.Context(), AWSSettings{Regions: []string{"us-west-2"}}, zerolog.Nop()); err == nil || !strings.Contains(err.Error(), "it is a named pipe") {
				t.Errorf("%v", err)
			}
		})
	}
}
