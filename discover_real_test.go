package main

import (
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	s3types "github.com/aws/aws-sdk-go-v2/service/s3/types"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"
	smtypes "github.com/aws/aws-sdk-go-v2/service/secretsmanager/types"

	"github.com/failoverbot/failoverbot/commands"
)

// apiServers answers for the clusters of both Regions, each below its Region's name: lists
// of what a platform has, in pages of 100. It returns a kubeconfig for them.
func apiServers(t *testing.T) string {
	t.Helper()
	type object = map[string]any
	in := func(namespace, name string, more object) object {
		o := object{"metadata": object{"namespace": namespace, "name": name}}
		maps.Copy(o, more)
		return o
	}
	lists := map[string]map[string][]object{}
	for region, replicas := range map[string]int{"us-east-1": 6, "us-west-2": 2} {
		has := map[string][]object{}
		for i := range 300 { // add-ons, which are in every cluster
			has["apps/v1/deployments"] = append(has["apps/v1/deployments"], in("kube-system", fmt.Sprintf("add-on-%03d", i), object{}))
		}
		for _, name := range []string{"order-service", "user-service"} { // on the last page
			has["apps/v1/deployments"] = append(has["apps/v1/deployments"], in("shop", name, object{
				"spec": object{"replicas": replicas, "template": object{"spec": object{"serviceAccountName": name, "containers": []object{
					{"name": name, "image": "123456789012.dkr.ecr." + region + ".amazonaws.com/" + name + ":1"},
				}}}}, "status": object{"replicas": replicas, "readyReplicas": replicas, "availableReplicas": replicas, "updatedReplicas": replicas},
			}))
			has["v1/serviceaccounts"] = append(has["v1/serviceaccounts"], object{"metadata": object{"namespace": "shop", "name": name, "annotations": object{"eks.amazonaws.com/role-arn": "arn:aws:iam::123456789012:role/" + name}}})
		}
		has["batch/v1/cronjobs"] = []object{in("shop", "invoices", object{"spec": object{"suspend": region == "us-west-2"}})}
		for i := range 6 {
			has["v1/nodes"] = append(has["v1/nodes"], object{"metadata": object{"name": fmt.Sprint("node-", i), "labels": object{"topology.kubernetes.io/zone": fmt.Sprint(region, i%3)}}})
		}
		has["autoscaling/v2/horizontalpodautoscalers"] = []object{in("shop", "order-service", object{"spec": object{
			"minReplicas": replicas, "maxReplicas": 12, "scaleTargetRef": object{"kind": "Deployment", "name": "order-service"},
		}})}
		lists[region] = has
	}
	s := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		region, path, _ := strings.Cut(strings.TrimPrefix(r.URL.Path, "/"), "/")
		_, path, _ = strings.Cut(path, "/") // api or apis
		if m := regexp.MustCompile(`^(.*)/namespaces/([^/]+)(/[a-z]+)$`).FindStringSubmatch(path); m != nil && m[2] == "shop" {
			path = m[1] + m[3] // nothing else is asked for there, and what else there is has other names
		}
		all, there := lists[region][path]
		w.Header().Set("Content-Type", "application/json")
		if !there || r.Header.Get("Authorization") != "Bearer kube-secret" {
			w.WriteHeader(http.StatusNotFound)
			_ = json.NewEncoder(w).Encode(object{"kind": "Status", "apiVersion": "v1", "status": "Failure", "reason": "NotFound", "code": 404, "message": "the server could not find the requested resource"})
			return
		}
		from, _ := strconv.Atoi(r.URL.Query().Get("continue"))
		page, meta := all[from:], object{"resourceVersion": "1"}
		if len(page) > 100 {
			page, meta["continue"] = page[:100], strconv.Itoa(from+100)
		}
		_ = json.NewEncoder(w).Encode(object{"kind": "List", "apiVersion": "v1", "metadata": meta, "items": page})
	}))
	t.Cleanup(s.Close)
	file := filepath.Join(t.TempDir(), "kubeconfig.yaml")
	ca := base64.StdEncoding.EncodeToString(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: s.Certificate().Raw}))
	writeFile(t, file, fmt.Sprintf(`apiVersion: v1
kind: Config
clusters:
  - {name: east, cluster: {server: "%[1]s/us-east-1", certificate-authority-data: %[2]s}}
  - {name: west, cluster: {server: "%[1]s/us-west-2", certificate-authority-data: %[2]s}}
users: [{name: reader, user: {token: kube-secret}}]
contexts:
  - {name: us-east-1-shop, context: {cluster: east, user: reader}}
  - {name: us-west-2-shop, context: {cluster: west, user: reader}}
  - {name: elsewhere, context: {cluster: west, user: reader}}
`, s.URL, ca))
	return file
}

// replicate puts into moto what is replicated between the Regions.
func replicate(t *testing.T, endpoint string) {
	t.Helper()
	config := func(region string) aws.Config {
		return aws.Config{Region: region, BaseEndpoint: aws.String(endpoint), Credentials: credentials.NewStaticCredentialsProvider("AKIDLABORATORY", "aws-secret", "")}
	}
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	regions := []string{"us-east-1", "us-west-2"}
	storage := func(region string) *s3.Client {
		return s3.NewFromConfig(config(region), func(o *s3.Options) { o.UsePathStyle = true })
	}
	for _, region := range regions {
		name := &s3.CreateBucketInput{Bucket: aws.String("ecommerce-assets-" + region)}
		if region != "us-east-1" {
			name.CreateBucketConfiguration = &s3types.CreateBucketConfiguration{LocationConstraint: s3types.BucketLocationConstraint(region)}
		}
		_, err := storage(region).CreateBucket(t.Context(), name)
		must(err)
		_, err = storage(region).PutBucketVersioning(t.Context(), &s3.PutBucketVersioningInput{
			Bucket: name.Bucket, VersioningConfiguration: &s3types.VersioningConfiguration{Status: s3types.BucketVersioningStatusEnabled},
		})
		must(err)
	}
	for i, region := range regions {
		_, err := storage(region).PutBucketReplication(t.Context(), &s3.PutBucketReplicationInput{
			Bucket: aws.String("ecommerce-assets-" + region), ReplicationConfiguration: &s3types.ReplicationConfiguration{
				Role: aws.String("arn:aws:iam::123456789012:role/replication"), Rules: []s3types.ReplicationRule{{
					ID: aws.String("all"), Priority: aws.Int32(1), Status: s3types.ReplicationRuleStatusEnabled, Filter: &s3types.ReplicationRuleFilter{Prefix: aws.String("")},
					DeleteMarkerReplication: &s3types.DeleteMarkerReplication{Status: s3types.DeleteMarkerReplicationStatusDisabled},
					Destination:             &s3types.Destination{Bucket: aws.String("arn:aws:s3:::ecommerce-assets-" + regions[1-i])},
				}},
			},
		})
		must(err)
	}
	for _, name := range []string{"ecommerce-prod/orders", "ecommerce-prod/users"} {
		_, err := secretsmanager.NewFromConfig(config("us-east-1")).CreateSecret(t.Context(), &secretsmanager.CreateSecretInput{
			Name: aws.String(name), SecretString: aws.String("hunter2"), AddReplicaRegions: []smtypes.ReplicaRegionType{{Region: aws.String("us-west-2")}},
		})
		must(err)
	}
}

// The whole program as a newcomer has it: AWS over the wire, clusters over HTTP. What is
// printed is what check reads, once people have put in what is theirs; and what nobody
// answers is said.
func TestDiscoverOnRealEnds(t *testing.T) {
	endpoint := moto(t)
	made := seed(t, endpoint)
	replicate(t, endpoint)
	env := map[string]string{"AWS_ENDPOINT_URL": endpoint, "AWS_ACCESS_KEY_ID": "AKIDLABORATORY", "AWS_SECRET_ACCESS_KEY": "aws-secret"}
	kubeconfig := apiServers(t)
	args := []string{"discover", "--regions", "us-east-1,us-west-2", "--kubeconfig", kubeconfig, "--context", "us-east-1-shop", "--context", "us-west-2-shop"}
	for name, value := range env {
		t.Setenv(name, value) // the SDK reads it by itself
	}
	t.Setenv("AWS_EC2_METADATA_DISABLED", "true")
	file := filepath.Join(t.TempDir(), "config.yaml")

	t.Run("it prints what is there, and says what could not be read", func(t *testing.T) {
		code, text, errs := typed(t, env, args...)
		if code != exitUnknown {
			t.Errorf("exit code %d: %s", code, errs)
		}
		for _, want := range []string{ // what the seed made
			`record: api.ecommerce.com`, `endpoint: https://us-west-2.api.ecommerce.com`, `global_cluster: ecommerce-global`, `db_cluster: ecommerce-secondary`,
			`home: us-east-1`, `load_balancer_arn: ` + made[0][1], `load_balancer_arn: ` + made[1][1], made[2][1],
			`health_check: ` + made[4][1], `endpoint_check: ` + made[5][1], `takeover_check: ` + made[6][1], made[7][1], `cloudfront is left out.`, // moto's list tells no origins

			`takeover_bucket: ecommerce-takeover-us-east-1`, `takeover_bucket: ecommerce-takeover-us-west-2`, `- ecommerce-assets-us-east-1`, `- ecommerce-prod/*`,
			`namespace: shop`, `{name: order-service, replicas: 6, writes: "FILL IN: true or false"}  # autoscaler 6 to 12`, `- invoices`,
			`context: us-west-2-shop`, `Web ACL: ecommerce-us-west-2.`, `Roles: order-service and user-service.`,
			`No schedule of Velero's backs shop up; 0 schedules looked at.`,
			`global_group: "FILL IN: the id of the ElastiCache global datastore, with the prefix that AWS gave it (elasticache:DescribeGlobalReplicationGroups could not be read in us-west-2)"`,
		} {
			if !strings.Contains(text, want) {
				t.Errorf("it does not print %s", want)
			}
		}
		for _, want := range []string{
			`(?m)^\d+ lines are marked FILL IN\.$`, `(?m)^Could not be read:$`, `elasticache:DescribeGlobalReplicationGroups in us-east-1: ElastiCache`,
			`2 reads were refused or not answered; what follows from them is left open`,
		} {
			if !regexp.MustCompile(want).MatchString(errs) {
				t.Errorf("it does not say %s:\n%s", want, errs)
			}
		}
		secretless(t, text+errs)
		writeFile(t, file, text)
		if t.Failed() {
			t.Log(text)
		}
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
		servers := nameServer(t)
		text = filled(t, text, map[string]string{"global_group": "ecommerce-cache", "cache_group": "ecommerce-cache-member"})
		text = regexp.MustCompile(`(?s)    nameservers:\n.*?\n\n`).ReplaceAllString(text, fmt.Sprintf("    nameservers: [%q]\n    resolvers: [{name: Local, addr: %q}]\n\n", servers, servers))
		writeFile(t, file, text)
		code, table, errs := typed(t, env, "check", "--config", file, "--target", "us-west-2")
		if code != exitFailed && code != exitUnknown {
			t.Errorf("exit code %d: %s", code, errs)
		}
		for _, want := range []string{
			`(?m)^ok +required +Load balancer in us-west-2`, `(?m)^ok +required +Certificate for api\.ecommerce\.com in us-west-2`,
			`(?m)^ok +required +Records and health checks of both Regions`,
			`(?m)^ok +required +All services exist in us-west-2`, `(?m)^ok +required +Secrets are in us-west-2`,
			`(?m)^ok +advice +WAF rules in us-west-2`,
		} {
			if !regexp.MustCompile(want).MatchString(table) {
				t.Errorf("check does not say %s:\n%s%s", want, table, errs)
			}
		}
	})

	t.Run("compared with the file nothing has changed, and then something has", func(t *testing.T) {
		code, table, errs := typed(t, env, "discover", "--settings", file, "--kubeconfig", kubeconfig)
		if code != exitFailed || !strings.Contains(errs, "Could not be read:") || !strings.Contains(errs, "1 setting of "+file+" has changed since") || !strings.Contains(table, "same     platform.home") || !strings.Contains(table, ", 1 changed, 0 gone, 0 new, 3 unknown") ||
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
		if d := report.Drift; !slices.Contains(d.Settings, want) || d.Same < 30 || d.Error != "" || len(d.Unread) == 0 {
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
