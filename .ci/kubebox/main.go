// Kubebox is a Kubernetes control plane in one binary, for tests that need a real one:
// etcd, kube-apiserver, kube-controller-manager, kube-scheduler, and kwok, which plays
// the nodes and their pods. Which of them it is says the name that it is called by, or
// else its first argument:
//
//	kubebox kube-apiserver --secure-port 6443 ...
//
// It is a module of its own, so that what Kubernetes requires never reaches the program.
package main

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
	"go.etcd.io/etcd/server/v3/etcdmain"
	"k8s.io/component-base/cli"
	apiserver "k8s.io/kubernetes/cmd/kube-apiserver/app"
	controllers "k8s.io/kubernetes/cmd/kube-controller-manager/app"
	scheduler "k8s.io/kubernetes/cmd/kube-scheduler/app"
	kwokconfig "sigs.k8s.io/kwok/pkg/config"
	kwokcommand "sigs.k8s.io/kwok/pkg/kwok/cmd"
	kwoklog "sigs.k8s.io/kwok/pkg/log"
	"sigs.k8s.io/kwok/pkg/utils/signals"
)

// components are what it can be. Each runs until a signal and returns an exit code;
// the arguments begin with the component's name.
var components = map[string]func(args []string) int{
	"etcd":                    etcd,
	"kube-apiserver":          cobraComponent(apiserver.NewAPIServerCommand),
	"kube-controller-manager": cobraComponent(controllers.NewControllerManagerCommand),
	"kube-scheduler":          cobraComponent(func() *cobra.Command { return scheduler.NewSchedulerCommand() }),
	"kwok":                    kwok,
}

func main() {
	args := slices.Clone(os.Args)
	args[0] = filepath.Base(args[0])
	if components[args[0]] == nil && len(args) > 1 {
		args = args[1:]
	}
	run, found := components[args[0]]
	if !found {
		names := slices.Sorted(maps.Keys(components))
		fmt.Fprintf(os.Stderr, "kubebox: %q is no component; one of: %s\n", args[0], strings.Join(names, ", "))
		os.Exit(2)
	}
	// The libraries read the arguments of the process, so they are made those.
	os.Args = args
	os.Exit(run(args))
}

// etcd exits the process by itself when it cannot start.
func etcd(args []string) int {
	etcdmain.Main(args)
	return 0
}

func cobraComponent(command func() *cobra.Command) func([]string) int {
	return func([]string) int { return cli.Run(command()) }
}

// kwok is put together as its own main does it, but for the version: Kubernetes'
// libraries have registered a flag of that name which is no boolean, and cobra would
// stop over it.
func kwok([]string) int {
	flags := pflag.NewFlagSet("global", pflag.ContinueOnError)
	flags.ParseErrorsAllowlist.UnknownFlags = true
	flags.Usage = func() {}
	ctx, logger := kwoklog.InitFlags(signals.SetupSignalContext(), flags)
	ctx, err := kwokconfig.InitFlags(ctx, flags)
	if err != nil {
		logger.Error("The settings cannot be read", err)
		return 1
	}
	command := kwokcommand.NewCommand(ctx)
	command.Version = ""
	command.PersistentFlags().AddFlagSet(flags)
	if err := command.ExecuteContext(ctx); err != nil {
		logger.Error("It ended", err)
		return 1
	}
	return 0
}
