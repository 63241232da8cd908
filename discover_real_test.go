package main

import (
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs"
	"github.com/aws/aws-sdk-go-v2/service/sns"
	"github.com/aws/aws-sdk-go-v2/service/sqs"

	"github.com/failoverbot/failoverbot/commands"
	"github.com/failoverbot/failoverbot/incident"
)

// platform is one that has all that section 1 looks at, on AWS's stand-in and on those of
// API servers.
type platform struct {
	aws        *standIn
	made       [][2]string // as seed says
	env        map[string]string
	discover   []string // the words of a command line
	kubeconfig string
	servers    string   // the zone's name server
	reach      []string // an address in each network
}

func newPlatform(t *testing.T) *platform {
	t.Helper()
	p := &platform{aws: moto(t), servers: nameServer(t), reach: []string{listening(t), listening(t)}}
	p.made = seed(t, p.aws)
	replicate(t, p.aws)
	furnish(t, p.aws, p.made[4][1])
	furnishNamed(t, p.aws.url)
	p.kubeconfig = apiServers(t, push(t, p.aws))
	p.discover = []string{"discover", "--regions", strings.Join(regions, ","), "--kubeconfig", p.kubeconfig, "--context", "us-east-1-shop", "--context", "us-west-2-shop"}
	p.env = map[string]string{"AWS_ENDPOINT_URL": p.aws.url, "AWS_ACCESS_KEY_ID": "AKIDLABORATORY", "AWS_SECRET_ACCESS_KEY": "aws-secret"}
	for name, value := range p.env {
		t.Setenv(name, value) // the SDK reads it by itself
	}
	t.Setenv("AWS_EC2_METADATA_DISABLED", "true")
	return p
}

// furnishNamed puts into moto what each Region has of its own, under a name that both have.
func furnishNamed(t *testing.T, endpoint string) {
	t.Helper()
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	for _, region := range []string{"us-east-1", "us-west-2"} {
		config := aws.Config{Region: region, BaseEndpoint: aws.String(endpoint), Credentials: credentials.NewStaticCredentialsProvider("AKIDLABORATORY", "aws-secret", "")}
		queues, topics, groups := sqs.NewFromConfig(config), sns.NewFromConfig(config), cloudwatchlogs.NewFromConfig(config)
		for _, name := range []string{"order-events-dead", "order-events", "mails", "only-in-" + strings.Split(region, "-")[1]} {
			in := &sqs.CreateQueueInput{QueueName: aws.String(name)}
			if name == "order-events" {
				in.Attributes = map[string]string{"RedrivePolicy": fmt.Sprintf(`{"deadLetterTargetArn":"arn:aws:sqs:%s:123456789012:order-events-dead","maxReceiveCount":"5"}`, region)}
			}
			_, err := queues.CreateQueue(t.Context(), in)
			must(err)
		}
		_, err := topics.CreateTopic(t.Context(), &sns.CreateTopicInput{Name: aws.String("order-placed-" + region)})
		must(err)
		made := []string{"/shop/order-service", "/aws/lambda/order-service"}
		for i := range 60 { // so that there is a second page
			made = append(made, fmt.Sprintf("/another/%02d", i))
		}
		for _, name := range made {
			_, err := groups.CreateLogGroup(t.Context(), &cloudwatchlogs.CreateLogGroupInput{LogGroupName: aws.String(name)})
			must(err)
		}
	}
}

// finished is what was discovered with what people put in.
func (p *platform) finished(t *testing.T, text string) string {
	t.Helper()
	text = filled(t, text, map[string]string{"people": "[{id: alice, slack: U0AL1CE00, name: Alice, roles: [commander]}, {id: bob, slack: U0B0B0000, name: Bob, roles: [approver]}]"})
	text = regexp.MustCompile(`(?s)    nameservers:\n.*?\n\n`).ReplaceAllString(text, fmt.Sprintf("    nameservers: [%q]\n    resolvers: [{name: Local, addr: %q}]\n\n", p.servers, p.servers))
	for i, vpc := range []string{p.made[9][1], p.made[10][1]} {
		text = strings.Replace(text, vpc, vpc+"\n        reach: "+p.reach[i], 1)
	}
	return text
}

// The whole program as a newcomer has it: AWS over the wire, clusters over HTTP. What is
// printed is what check reads, once people have put in what is theirs; and what nobody
// answers is said.
func TestDiscoverOnRealEnds(t *testing.T) {
	p := newPlatform(t)
	stand, made, env, args, kubeconfig := p.aws, p.made, p.env, p.discover, p.kubeconfig
	file := filepath.Join(t.TempDir(), "config.yaml")

	t.Run("it prints what is there", func(t *testing.T) {
		code, text, errs := typed(t, env, args...)
		if code != exitDone || !regexp.MustCompile(`^\d+ lines are marked FILL IN\.\n$`).MatchString(errs) {
			t.Errorf("exit code %d: %s", code, errs)
		}
		for _, want := range []string{ // what the seed made
			`record: api.ecommerce.com`, `endpoint: https://us-west-2.api.ecommerce.com`, `global_cluster: ecommerce-global`, `db_cluster: ecommerce-secondary`,
			`home: us-east-1`, `load_balancer_arn: ` + made[0][1], `load_balancer_arn: ` + made[1][1], made[2][1],
			`health_check: ` + made[4][1], `endpoint_check: ` + made[5][1], `takeover_check: ` + made[6][1], `distribution: ` + made[3][1], `origin: alb-us-west-2`, `backup_schedule: shop-us-east-1`,
			`takeover_bucket: ecommerce-takeover-us-east-1`, `takeover_bucket: ecommerce-takeover-us-west-2`, `- ecommerce-assets-us-east-1`, `- ecommerce-prod/*`,
			`namespace: shop`, `{name: order-service, replicas: 6, standby: 2, writes: "FILL IN: true or false"}  # autoscaler 6 to 12`, `- invoices`,
			`context: us-west-2-shop`, `Web ACL: ecommerce-us-west-2.`, `Roles: order-service and user-service.`,
			`- order-events`, `it is named by order-service and user-service. Dead letters`, `# only-in-east and only-in-west.`,
			`- arn:aws:sns:us-west-2:123456789012:order-placed-us-west-2`, `- /shop/order-service`, `service: "monitoring/prometheus:9090"`, `url: https://grafana.us-west-2.ecommerce.com`,
			made[7][1], `cache_group: ecommerce-cache-us-west-2`,
		} {
			if !strings.Contains(text, want) {
				t.Errorf("it does not print %s", want)
			}
		}
		secretless(t, text+errs)
		writeFile(t, file, text)
		if t.Failed() {
			t.Log(text)
		}
	})

	t.Run("it says what could not be read, and leaves open what follows from it", func(t *testing.T) {
		stand.deny("elasticache DescribeGlobalReplicationGroups")
		defer stand.deny("")
		code, text, errs := typed(t, env, args...)
		if code != exitUnknown {
			t.Errorf("exit code %d: %s", code, errs)
		}
		if want := `global_group: "FILL IN: the id of the ElastiCache global datastore, with the prefix that AWS gave it (elasticache:DescribeGlobalReplicationGroups was refused in us-`; !strings.Contains(text, want) {
			t.Errorf("it does not print %s:\n%s", want, text)
		}
		for _, want := range []string{
			`(?m)^\d+ lines are marked FILL IN\.$`, `(?m)^Could not be read:$`, `elasticache:DescribeGlobalReplicationGroups in us-east-1 was refused: ElastiCache`,
			`2 reads were refused or not answered; what follows from them is left open`,
		} {
			if !regexp.MustCompile(want).MatchString(errs) {
				t.Errorf("it does not say %s:\n%s", want, errs)
			}
		}
		secretless(t, text+errs)
	})

	t.Run("check names what is left to people, and takes it once that is done", func(t *testing.T) {
		data, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		text := string(data)
		code, _, errs := typed(t, env, "check", "--config", file)
		var named []int
		for _, m := range regexp.MustCompile(`config\.yaml:(\d+):\d+: .*is still to be filled in: `).FindAllStringSubmatch(errs, -1) {
			n, _ := strconv.Atoi(m[1])
			named = append(named, n)
		}
		if want := marked(text); code != exitUsage || !slices.Equal(named, want) || strings.Count(strings.TrimSpace(errs), "\n")+1 != len(want) {
			t.Errorf("exit code %d, named %v, marked %v:\n%s", code, named, want, errs)
		}
		writeFile(t, file, p.finished(t, text))
		assessed(t, env, stand, file)
	})

	t.Run("compared with the file nothing has changed, and then something has", func(t *testing.T) {
		code, table, errs := typed(t, env, "discover", "--settings", file, "--kubeconfig", kubeconfig)
		if code != exitFailed || strings.Contains(errs, "Could not be read:") || !strings.Contains(errs, "1 setting of "+file+" has changed since") || !strings.Contains(table, "same     platform.home") || !strings.Contains(table, ", 1 changed, 0 gone, 0 new, 0 unknown") ||
			!strings.Contains(table, "changed  platform.dns.nameservers") { // those of the laboratory
			t.Errorf("exit code %d:\n%s%s", code, table, errs)
		}
		data, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		writeFile(t, file, strings.Replace(string(data), "ecommerce-secondary", "ecommerce-tertiary", 2))
		_, table, _ = typed(t, env, "discover", "--settings", file)
		if !strings.Contains(table, "changed  platform.aurora.regions.us-west-2.db_cluster\n           file   ecommerce-tertiary\n           found  ecommerce-secondary\n") {
			t.Errorf("%s", table)
		}
	})

	t.Run("check tells beside what it finds that the file is not as what there is", func(t *testing.T) {
		code, out, errs := typed(t, env, "check", "--config", file, "--output", "json", "--drift")
		var report struct{ Drift *commands.Drift }
		if err := json.Unmarshal([]byte(out), &report); err != nil || report.Drift == nil {
			t.Fatalf("exit code %d, %v:\n%s%s", code, err, out, errs)
		}
		want := commands.Drifted{Setting: "platform.aurora.regions.us-west-2.db_cluster", Verdict: "changed", File: "ecommerce-tertiary", Found: "ecommerce-secondary"}
		if d := report.Drift; !slices.Contains(d.Settings, want) || d.Same < 30 || d.Error != "" || len(d.Unread) > 0 {
			t.Errorf("%+v", d)
		}
		_, table, _ := typed(t, env, "check", "--config", file, "--drift")
		if !strings.Contains(table, "changed  platform.aurora.regions.us-west-2.db_cluster\n         file: ecommerce-tertiary\n         found: ecommerce-secondary\n") {
			t.Error(table)
		}
		if _, table, _ = typed(t, env, "check", "--config", file); strings.Contains(table, "ecommerce-tertiary\n         found") {
			t.Errorf("nobody asked for it:\n%s", table)
		}
	})

	t.Run("what is typed wrong", func(t *testing.T) {
		for name, c := range map[string]struct {
			args []string
			want string
		}{
			"no Regions":          {nil, "--regions is missing: the two Regions of the platform, such as us-east-1,us-west-2"},
			"no Region's name":    {[]string{"--regions", "us-east-1,mars"}, `--regions: "mars" is not the name of an AWS Region, such as us-east-1`},
			"one Region":          {[]string{"--regions", "us-east-1"}, "--regions names the two Regions of the platform"},
			"the same twice":      {[]string{"--regions", "us-east-1,us-east-1"}, "--regions names us-east-1 twice"},
			"no such Region":      {[]string{"--regions", "us-east-1,us-west-9"}, `--regions: AWS knows no Region "us-west-9"; did you mean "us-west-`},
			"no such record":      {[]string{"--regions", "us-east-1,us-west-2", "--record", "app.ecommerce.com"}, `ecommerce.com has no record named app.ecommerce.com; did you mean "api.ecommerce.com"?`},
			"no such context":     {[]string{"--regions", "us-east-1,us-west-2", "--kubeconfig", kubeconfig, "--context", "us-east-1-shopp"}, `--context: the kubeconfig has no context "us-east-1-shopp"; did you mean "us-east-1-shop"?`},
			"a context of where":  {[]string{"--regions", "us-east-1,us-west-2", "--kubeconfig", kubeconfig, "--context", "elsewhere"}, `neither the name "elsewhere" nor its address tells the Region: write us-east-1=elsewhere`},
			"two contexts of one": {[]string{"--regions", "us-east-1,us-west-2", "--kubeconfig", kubeconfig, "--context", "us-east-1=elsewhere", "--context", "us-east-1-shop"}, `--context: "elsewhere" and "us-east-1-shop" are both of us-east-1`},
			"no kubeconfig":       {[]string{"--regions", "us-east-1,us-west-2", "--kubeconfig", "nowhere", "--context", "x"}, "there is no kubeconfig nowhere"},
			"no settings":         {[]string{"--settings", "nowhere"}, "there is no settings file nowhere"},
			"a word too many":     {[]string{"us-east-1"}, `"us-east-1" is not something that failoverbot discover takes`},
		} {
			code, out, errs := typed(t, env, append([]string{"discover"}, c.args...)...)
			if code != exitUsage || out != "" || !strings.Contains(errs, c.want) {
				t.Errorf("%s: exit code %d, %q, %s", name, code, out, errs)
			}
		}
	})
}

// expected is what check finds of one step of section 1, planned and unplanned, in the
// laboratory; empty where the run does not have the step. Where it is not a pass, says is
// why: never what AWS's stand-in does not have.
type expected struct {
	planned, unplanned incident.Verdict
	says               string
}

var everyLine = map[string]expected{
	"nodes":              {incident.Pass, incident.Pass, ""},
	"room":               {incident.Pass, incident.Pass, ""},
	"quotas":             {incident.Pass, incident.Pass, ""},
	"endpoints":          {incident.Pass, incident.Pass, ""},
	"deployments":        {incident.Pass, incident.Pass, ""},
	"jobs":               {incident.Pass, incident.Pass, ""},
	"managers":           {incident.Pass, incident.Pass, ""},
	"roles":              {incident.Pass, incident.Pass, ""},
	"way-across":         {incident.Pass, incident.NotApplicable, "an unplanned run leaves us-east-1 and needs no way to it"},
	"images":             {incident.Pass, incident.Pass, ""},
	"secrets":            {incident.Pass, incident.Warn, "us-east-1 had newer versions was not asked, for it is being left"},
	"load-balancer":      {incident.Pass, incident.Pass, ""},
	"standby-database":   {incident.Pass, incident.Pass, ""},
	"standby-cache":      {incident.Pass, incident.Pass, ""},
	"object-replication": {incident.Pass, incident.Warn, "what failed is told in us-east-1 alone, which is being left"},
	"backup":             {incident.Pass, incident.Pass, ""},
	"takeover-ready":     {incident.Pass, incident.Pass, ""},
	"takeover-visible":   {incident.Pass, incident.Pass, ""},
	"certificate":        {incident.Pass, incident.Pass, ""},
	"web-acl":            {incident.Pass, incident.Pass, ""},
	"distribution":       {incident.Pass, incident.Pass, ""},
	"check-setup":        {incident.Pass, incident.Pass, ""},
	"check-alarm":        {incident.Pass, incident.Pass, ""},
	"ttl":                {incident.Pass, incident.Pass, ""},
	"replication-lag":    {incident.Pass, "", ""},
	"last-lag":           {"", incident.Pass, ""},
	"dns-guard":          {incident.Pass, "", ""},
	"takeover-check":     {"", incident.Pass, ""},
	"dns-returnable":     {"", "", ""},
	"database-hosts":     {"", "", ""},
	"drift":              {"", "", ""},
	"schema":             {"", "", ""},
	"record-sets":        {"", "", ""},
	"routing-controls":   {"", "", ""},
	"recovery-checks":    {"", "", ""},
	"on-call":            {incident.NotApplicable, incident.NotApplicable, "the settings name no service of PagerDuty"},
	"commander-here":     {incident.NotApplicable, incident.NotApplicable, "no incident is under way"},
	"support-here":       {incident.NotApplicable, incident.NotApplicable, "the settings name nobody of support"},
	"deploy-freeze":      {incident.NotApplicable, incident.NotApplicable, "the settings name nothing and nobody that tells of a deploy freeze"},
	"egress":             {incident.NotApplicable, incident.NotApplicable, "the settings ask nobody whether partners know"},
}

// assessed checks that each step of section 1 is found as it should be.
func assessed(t *testing.T, env map[string]string, at *standIn, file string) {
	t.Helper()
	data, err := os.ReadFile("templates/runbook/sections/02-readiness.yaml")
	if err != nil {
		t.Fatal(err)
	}
	var steps []string
	for _, m := range regexp.MustCompile(`(?m)^  - id: (\S+)$`).FindAllStringSubmatch(string(data), -1) {
		if m[1] != "go" { // a person's
			steps = append(steps, m[1])
		}
	}
	slices.Sort(steps)
	if known := slices.Sorted(maps.Keys(everyLine)); !slices.Equal(steps, known) {
		t.Errorf("section 1 has the steps %v, and there are verdicts of %v", steps, known)
	}
	for _, mode := range []string{"planned", "unplanned"} {
		publish(t, at)
		code, out, errs := typed(t, env, "check", "--config", file, "--target", "us-west-2", "--mode", mode, "--output", "json")
		var report struct{ Findings []incident.Finding }
		if err := json.Unmarshal([]byte(out), &report); err != nil || code != exitDone {
			t.Fatalf("%s: exit code %d, %v:\n%s%s", mode, code, err, out, errs)
		}
		found := map[string]incident.Finding{}
		for _, f := range report.Findings {
			found[f.Step] = f
		}
		for step, l := range everyLine {
			want := map[string]incident.Verdict{"planned": l.planned, "unplanned": l.unplanned}[mode]
			f := found[step]
			if f.Verdict != want || want != "" && want != incident.Pass && (l.says == "" || !strings.Contains(f.Summary, l.says)) {
				t.Errorf("%s, %s: %q: %s %s\nwant %q: %s", step, mode, f.Verdict, f.Summary, f.Hint, want, l.says)
			}
			delete(found, step)
		}
		for step := range found {
			t.Errorf("%s: nothing is known of %s", mode, step)
		}
	}
}
