package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"

	"github.com/rs/zerolog"
	"github.com/spf13/cobra"

	"github.com/failoverbot/failoverbot/bot"
	"github.com/failoverbot/failoverbot/deploy/settings"
	"github.com/failoverbot/failoverbot/incident"
	"github.com/failoverbot/failoverbot/incident/runbook/strict"
	"github.com/failoverbot/failoverbot/incident/text"
	"github.com/failoverbot/failoverbot/providers"
	"github.com/failoverbot/failoverbot/providers/discover"
	"github.com/failoverbot/failoverbot/providers/kubeapi"
	"github.com/failoverbot/failoverbot/providers/live"
)

type discoverOptions struct {
	regions, contexts       []string
	record, namespace, file string
	kubeconfig              string
}

func discoverVerb(env func(string) string, secrets *text.Secrets) *cobra.Command {
	var o discoverOptions
	c := &cobra.Command{
		Use: "discover --regions REGION,REGION", Short: "Read accounts and clusters, and print the settings they lead to", Args: noArgs,
		Long: "Read the AWS accounts and the Kubernetes clusters of a platform, and print the settings of failoverbot that they lead to. Nothing is changed. " +
			"Each value has a comment that says why it was chosen. What cannot be found, or could be one or the other, is marked FILL IN: 'failoverbot check' names these lines until none is left. " +
			"The rights that it needs are in deploy/iam-failoverbot-discover.json and deploy/rbac-discover.yaml.\n\n" +
			"With --settings, what is found is compared with that file instead, which may be unfinished: what has changed since comes first. " +
			"Its Regions, record, clusters and roles to assume are used, and of several candidates the one that it names.\n\n" +
			"The exit code is 0 when everything could be read and, with --settings, nothing has changed; 1 when something has, or nothing can be read at all; " +
			"3 when nothing has and something could not be read, which is told at the end; and 2 when nothing was looked for.",
		Example: "  failoverbot discover --regions us-east-1,us-west-2 --record api.example.com > config.yaml\n" +
			"  failoverbot discover --settings config.yaml",
		RunE: func(c *cobra.Command, _ []string) error {
			return discovered(c.Context(), o, env, secrets, withoutQueries{c.OutOrStdout()}, withoutQueries{c.ErrOrStderr()})
		},
	}
	f := c.Flags()
	f.StringSliceVar(&o.regions, "regions", nil, "the two Regions of the platform, `REGION,REGION`, such as us-east-1,us-west-2")
	f.StringVar(&o.record, "record", "", "the public `NAME` that users know; the one with failover records if not given")
	f.StringVar(&o.namespace, "namespace", "", "the `NAME` of the services' namespace; the one that both clusters have if not given")
	f.StringArrayVar(&o.contexts, "context", nil, "`NAME` or REGION=NAME: the kubeconfig's context for a Region's cluster, once for each; the Region's EKS cluster if not given")
	f.StringVar(&o.kubeconfig, "kubeconfig", "", "the `FILE` with these contexts; where kubectl looks if not given")
	f.StringVar(&o.file, "settings", "", "compare with this settings `FILE`, and say what has changed since")
	return c
}

// compared looks where the options say, or else the file that they name, and returns what
// was found, where, and that file.
func compared(ctx context.Context, o discoverOptions, env func(string) string, secrets *text.Secrets) (*discover.Found, discover.Options, *settings.Draft, error) {
	for _, name := range readByOthers {
		env(name)
	}
	draft := &settings.Draft{Settings: &settings.Settings{}}
	if o.file != "" {
		var err error
		if draft, err = strict.Within(ctx, func() (*settings.Draft, error) { return settings.Unfinished(o.file, providers.Parts()) }); err != nil {
			return nil, discover.Options{}, nil, bot.UsageError{Err: err}
		}
	}
	look, err := whereToLook(ctx, o, draft, secrets)
	if err != nil {
		return nil, discover.Options{}, nil, bot.UsageError{Err: err}
	}
	found, err := discover.Look(ctx, look)
	if wrong, ok := errors.AsType[*discover.WrongError](err); ok {
		return nil, discover.Options{}, nil, bot.UsageError{Err: wrong}
	}
	return found, look, draft, err
}

// discovered looks, and prints what was found or how it differs from a file.
func discovered(ctx context.Context, o discoverOptions, env func(string) string, secrets *text.Secrets, out, errs io.Writer) error {
	found, look, draft, err := compared(ctx, o, env, secrets)
	if err != nil {
		return err
	}
	changed := 0
	if o.file != "" {
		if changed, err = discover.Compare(out, found, draft.Values, o.file); err != nil {
			return err
		}
	} else if err := discover.Write(out, found, look.Clock.Now(), look.Regions); err != nil {
		return err
	}
	if n := found.Open(); n > 0 && o.file == "" {
		fmt.Fprintf(errs, "%s marked %s.\n", lines(n), discover.Open)
	}
	if len(found.Unread) > 0 {
		fmt.Fprintln(errs, "Could not be read:")
	}
	for _, u := range found.Unread {
		fmt.Fprintln(errs, "  "+u.String())
	}
	switch n := len(found.Unread); {
	case changed == 1:
		return fmt.Errorf("1 setting of %s has changed since", o.file)
	case changed > 1:
		return fmt.Errorf("%d settings of %s have changed since", changed, o.file)
	case n == 1:
		return notKnown{errors.New("1 read was refused or not answered; what follows from it is left open")}
	case n > 1:
		return notKnown{fmt.Errorf("%d reads were refused or not answered; what follows from them is left open", n)}
	}
	return nil
}

func lines(n int) string {
	if n == 1 {
		return "1 line is"
	}
	return fmt.Sprintf("%d lines are", n)
}

// whereToLook is what was typed, and for what was not, what the settings have.
func whereToLook(ctx context.Context, o discoverOptions, draft *settings.Draft, secrets *text.Secrets) (discover.Options, error) {
	c := draft.Settings
	regions := o.regions
	if len(regions) == 0 {
		regions = slices.Sorted(maps.Keys(c.Platform.Regions))
		if i := slices.Index(regions, c.Platform.Home); i > 0 {
			slices.Reverse(regions)
		}
	}
	if len(regions) == 0 {
		return discover.Options{}, errors.New("--regions is missing: the two Regions of the platform, such as us-east-1,us-west-2")
	}
	for i, r := range regions {
		regions[i] = strings.TrimSpace(r)
		if !settings.IsRegion(regions[i]) {
			return discover.Options{}, fmt.Errorf("--regions: %q is not the name of an AWS Region, such as us-east-1", r)
		}
	}
	record := o.record
	if record == "" {
		record = c.Platform.Record
	}
	clusters, err := clustersOf(o, regions, c)
	if err != nil {
		return discover.Options{}, err
	}
	dial, proxy, clock := live.NewDial(c.Dial), live.NewProxy(c.Dial), incident.RealClock{}
	aws, err := live.AWS(ctx, live.AWSSettings{Profile: c.AWS.Profile, Roles: roles(c), Dial: dial, Proxy: proxy, Regions: regions, Secret: secrets.Obtain}, zerolog.Nop())
	if err != nil {
		return discover.Options{}, err
	}
	return discover.Options{
		Regions: regions, Record: strings.TrimSuffix(record, "."), Namespace: o.namespace, Clusters: clusters, AWS: aws, Clock: clock, Given: draft.Texts(),
		Connect: func(region string, is discover.Cluster) (kubeapi.Client, error) {
			how := live.Cluster{Context: is.Context, Kubeconfig: is.Kubeconfig}
			if is.Context == "" {
				how.EKS = &live.EKS{Cluster: is.Name, Endpoint: is.Endpoint, CA: is.CA}
			}
			return live.Kube(live.KubeSettings{
				Clusters: map[string]live.Cluster{region: how}, AWS: aws, Clock: clock, Dial: dial, Proxy: proxy, Secret: secrets.Obtain,
			})(region)
		},
	}, nil
}

// clustersOf are the contexts that were typed, or that the settings have, each with its
// Region.
func clustersOf(o discoverOptions, regions []string, c *settings.Settings) (map[string]discover.Cluster, error) {
	out := map[string]discover.Cluster{}
	for region, k := range c.Kubernetes {
		if k.Context != "" && slices.Contains(regions, region) {
			out[region] = discover.Cluster{Context: k.Context, Kubeconfig: k.Kubeconfig}
		}
	}
	if len(o.contexts) == 0 {
		return out, nil
	}
	typed := map[string]string{} // contexts, by Region
	servers, err := live.Contexts(o.kubeconfig)
	if err != nil {
		return nil, err
	}
	for _, one := range o.contexts {
		region, name, told := strings.Cut(one, "=")
		if !told || !slices.Contains(regions, region) {
			region, name = "", one
		}
		server, there := servers[name]
		if !there {
			return nil, fmt.Errorf("--context: the kubeconfig has no context %q%s", name, strict.DidYouMean(name, slices.Sorted(maps.Keys(servers))))
		}
		// An EKS cluster's address has its Region in it, and so do the names that people give.
		for _, r := range regions {
			if region == "" && (strings.Contains(server, "."+r+".eks.") || strings.Contains(name, r)) {
				region = r
			}
		}
		switch {
		case region == "":
			return nil, fmt.Errorf("--context: neither the name %q nor its address tells the Region: write %s=%s, or the other Region", name, regions[0], name)
		case typed[region] != "":
			return nil, fmt.Errorf("--context: %q and %q are both of %s: name one for each Region", typed[region], name, region)
		}
		typed[region] = name
		out[region] = discover.Cluster{Context: name, Kubeconfig: o.kubeconfig, Endpoint: server}
	}
	return out, nil
}
