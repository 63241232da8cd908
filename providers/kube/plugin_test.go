//go:build real

package kube_test

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/failoverbot/failoverbot/incident"
	"github.com/failoverbot/failoverbot/providers/kube/kubetest"
)

// What the credential plugin of these tests is to do, and where its files are.
const (
	pluginDoes  = "KUBE_TEST_PLUGIN"
	pluginFiles = "KUBE_TEST_PLUGIN_FILES"
)

// actAsPlugin makes this binary a credential plugin, as `aws eks get-token` is one,
// when a kubeconfig calls it as that. The Region is its last argument.
func actAsPlugin() bool {
	does := os.Getenv(pluginDoes)
	if does == "" {
		return false
	}
	dir, region := os.Getenv(pluginFiles), os.Args[len(os.Args)-1]
	calls, err := os.OpenFile(filepath.Join(dir, "calls"), os.O_APPEND|os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		panic(err)
	}
	before, err := os.ReadFile(calls.Name())
	if err != nil {
		panic(err)
	}
	if _, err := fmt.Fprintln(calls, region); err != nil {
		panic(err)
	}
	token := ""
	switch does {
	case "refuse":
		fmt.Fprintln(os.Stderr, "the session has expired: log in again")
		os.Exit(255)
	case "dawdle":
		time.Sleep(5 * time.Second)
	case "expired first":
		if len(before) == 0 {
			token = "a-token-that-nobody-knows"
		}
	}
	status := map[string]string{"token": token}
	if token == "" {
		status = map[string]string{"clientCertificateData": content(dir, region+".crt"), "clientKeyData": content(dir, region+".key")}
	}
	err = json.NewEncoder(os.Stdout).Encode(map[string]any{
		"apiVersion": "client.authentication.k8s.io/v1", "kind": "ExecCredential", "status": status,
	})
	if err != nil {
		panic(err)
	}
	return true
}

func content(dir, name string) string {
	data, err := os.ReadFile(filepath.Join(dir, name))
	if err != nil {
		panic(err)
	}
	return string(data)
}

// plugged is a shop whose kubeconfig asks this binary for credentials. calls is how
// often it did.
func plugged(t *testing.T, does string) (s *shop, calls func() int) {
	t.Helper()
	p := kubetest.Start(t, kubetest.Objects)
	p.Seed(west, kubetest.Standby...)
	dir := t.TempDir()
	for _, region := range kubetest.Regions {
		certificate, key := p.Credentials(region)
		for name, data := range map[string][]byte{region + ".crt": certificate, region + ".key": key} {
			if err := os.WriteFile(filepath.Join(dir, name), data, 0o600); err != nil {
				t.Fatal(err)
			}
		}
	}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	file := p.KubeconfigWithPlugin(self, map[string]string{pluginDoes: does, pluginFiles: dir})
	return reach(p, file, nil), func() int {
		data, err := os.ReadFile(filepath.Join(dir, "calls"))
		if err != nil {
			t.Fatal(err)
		}
		return strings.Count(string(data), "\n")
	}
}

func TestACredentialPluginIsAskedOnceForManyCalls(t *testing.T) {
	t.Parallel()
	s, calls := plugged(t, "hand out")
	for _, step := range []string{"scale/order-service", "restart/user-service"} {
		if _, err := s.do(t, step); err != nil {
			t.Errorf("%s: %v", step, err)
		}
	}
	if n := *s.Deployment(west, "order-service").Spec.Replicas; n != 6 {
		t.Errorf("order-service has %d replicas", n)
	}
	if n := calls(); n != 1 {
		t.Errorf("the plugin was called %d times", n)
	}
}

func TestACredentialPluginThatFailsIsQuoted(t *testing.T) {
	t.Parallel()
	s, _ := plugged(t, "refuse")
	_, _, err := s.look(t, "scale/order-service")
	says(t, "the error", err.Error(), "read Deployment order-service in us-west-2", "getting credentials", "exit code 255")
	if f := fault(t, err); f.Unknown {
		t.Errorf("%v: %s", err, told(f))
	}
}

// A credential that the cluster no longer takes is replaced for the next call.
func TestARefusedCredentialIsAskedForAnew(t *testing.T) {
	t.Parallel()
	s, calls := plugged(t, "expired first")
	_, _, err := s.look(t, "scale/order-service")
	f := fault(t, err)
	if !f.NeedsPerson || f.Unknown {
		t.Errorf("%v: %s", err, told(f))
	}
	says(t, "the hint", f.Hint, "the cluster does not accept the bot's token")
	if _, there, err := s.look(t, "scale/order-service"); err != nil || there {
		t.Errorf("with the new credential: %t %v", there, err)
	}
	if n := calls(); n != 2 {
		t.Errorf("the plugin was called %d times", n)
	}
}

// client-go runs the plugin without the call's deadline; the call ends all the same when
// its own time is up.
func TestACredentialPluginThatDawdlesIsNotWaitedForPastTheDeadline(t *testing.T) {
	t.Parallel()
	s, _ := plugged(t, "dawdle")
	a, c := s.step(t, "scale/order-service")
	a.CallTimeout = time.Second
	_, there, err := s.lookAt(t, a, c)
	if err == nil || there {
		t.Fatalf("%t %v", there, err)
	}
	if f := incident.CallErrorOf(err); f.Unknown {
		t.Errorf("%v: %s", err, told(f))
	}
	says(t, "the error", err.Error(), "no answer: the call's time is up")
}
