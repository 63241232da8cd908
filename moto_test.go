package main

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"os/exec"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
)

// standIn is AWS on loopback: moto, and before it a proxy of ours that passes everything
// on but what is in the table of ours.
type standIn struct {
	url     string // of the proxy
	moto    string // of moto itself
	client  *http.Client
	mu      sync.Mutex
	unknown []string // requests whose operation nobody knows
	denied  string   // service and operation for which the right is missing
	// What was made of things that moto does not have, or does not keep apart by Region.
	datastores []*datastore
	buckets    map[string]string // the Region of each
	raised     map[string]float64
	groups     map[string]string // the origin group of the default path, by distribution
}

// ours is what moto lacks or has otherwise than AWS, by service and operation: "*" are all
// others of a service, and "!" is what is looked at before. TestMotoLacksWhatIsOurs asks moto itself whether that is still so.
var ours = map[string]struct {
	why    string
	answer func(*standIn, *awsCall) *awsAnswer // nil: moto is asked as it is
	// learnt asks moto itself, and says what of that it has by now.
	learnt func(*motoItself) string
}{
	"monitoring *": {
		"the SDK speaks CBOR (Smithy RPC v2) with CloudWatch, and moto JSON and the Query protocol only; and it tells metrics apart by the order of their dimensions",
		(*standIn).inJSON, learntCBOR,
	},
	"monitoring DescribeAlarmsForMetric": {
		"moto looks at the metric's name alone, and not at its dimensions",
		(*standIn).alarmsOf, learntDimensions,
	},
	"rds DescribeGlobalClusters": {
		"moto answers with all, whichever was asked for and in one page, and tells of no member how it follows",
		(*standIn).globalClusters, learntSynchronization,
	},
	"elasticache CreateGlobalReplicationGroup": {
		"moto has no global datastores",
		(*standIn).makeDatastore, learntDatastores,
	},
	"elasticache CreateReplicationGroup": {
		"in a global datastore, moto gives it nodes of another type than those of the primary, and there is nothing to be a member of",
		(*standIn).joinDatastore, learntNodeType,
	},
	"elasticache DescribeGlobalReplicationGroups": {
		"moto has no global datastores",
		(*standIn).describeDatastores, learntDatastores,
	},
	"servicequotas GetServiceQuota": {
		"moto knows the quotas of VPC alone",
		(*standIn).quota, learntQuotas,
	},
	"servicequotas GetAWSDefaultServiceQuota": {
		"moto does not have it",
		(*standIn).defaultQuota, learntDefaultQuotas,
	},
	"cloudfront ListDistributions": {
		"moto's list tells no origins and no origin groups, and is one page whatever was asked for",
		(*standIn).distributions, learntOrigins,
	},
	"cloudfront CreateDistribution": {
		"moto takes no origin group for the default path",
		(*standIn).makeDistribution, learntGroups,
	},
	"cloudfront GetDistribution":       {"moto knows of no origin group for the default path", (*standIn).ofDistribution, learntGroups},
	"cloudfront GetDistributionConfig": {"moto knows of no origin group for the default path", (*standIn).ofDistribution, learntGroups},
	"s3 !": {
		"moto shows a bucket in every Region, and AWS sends who asks for it elsewhere to its own",
		(*standIn).inBucketsRegion, learntRedirects,
	},
	"route53 !":    {"moto lets it be signed for any Region", (*standIn).inOneRegion, learntScope("route53", "/2013-04-01/hostedzone")},
	"cloudfront !": {"moto lets it be signed for any Region", (*standIn).inOneRegion, learntScope("cloudfront", "/2020-05-31/distribution")},
	"iam !":        {"moto lets it be signed for any Region", (*standIn).inOneRegion, learntScope("iam", "/?Action=ListRoles&Version=2010-05-08")},
}

// moto starts AWS's stand-in.
func moto(t *testing.T) *standIn {
	t.Helper()
	path, err := exec.LookPath("moto_server")
	if err != nil {
		t.Skip("moto_server is not installed: the program was NOT TESTED against AWS calls over the wire (pip install 'moto[server]')")
	}
	p := launch(t, append(os.Environ(), "PYTHONUNBUFFERED=1"), path, "-H", "127.0.0.1", "-p", "0")
	s := &standIn{moto: p.until(`Running on (http://127\.0\.0\.1:\d+)`)[1], client: &http.Client{
		Transport:     &http.Transport{},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}, buckets: map[string]string{}, raised: map[string]float64{}, groups: map[string]string{}}
	server := httptest.NewServer(s)
	t.Cleanup(func() {
		server.Close() // waits for what is under way
		if len(s.unknown) > 0 {
			t.Errorf("the operations of these requests are not known (restPaths): %q", s.unknown)
		}
	})
	s.url = server.URL
	return s
}

// config is what clients of a Region are made from.
func (s *standIn) config(region string) aws.Config { return configAt(s.url, region) }

func configAt(endpoint, region string) aws.Config {
	return aws.Config{
		Region: region, BaseEndpoint: aws.String(endpoint),
		Credentials: credentials.NewStaticCredentialsProvider("AKIDLABORATORY", "aws-secret", ""),
	}
}

// deny takes the right to an operation away, "" gives it back. It is told in XML.
func (s *standIn) deny(operation string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.denied = operation
}

// awsCall is a request, read as AWS reads it.
type awsCall struct {
	*http.Request
	service, region, operation string // service as in its signature; region empty where nothing was signed
	body                       []byte
}

// awsAnswer is what is told.
type awsAnswer struct {
	code   int
	header http.Header
	body   []byte
}

// ServeHTTP answers what is ours, and passes on what is moto's.
func (s *standIn) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(io.LimitReader(r.Body, 16<<20))
	if err != nil {
		return // whoever asked is gone
	}
	if r.Header.Get("Content-Encoding") == "gzip" { // metrics are
		unpacked, err := gzip.NewReader(bytes.NewReader(body))
		if err == nil {
			body, err = io.ReadAll(unpacked)
		}
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		r.Header.Del("Content-Encoding")
	}
	c := readCall(r, body)
	if c.operation == "" {
		s.mu.Lock()
		s.unknown = append(s.unknown, c.service+" "+r.Method+" "+r.URL.RequestURI())
		s.mu.Unlock()
	}
	s.mu.Lock()
	denied := s.denied != "" && s.denied == c.service+" "+c.operation
	s.mu.Unlock()
	var a *awsAnswer
	if denied {
		a = refused(http.StatusForbidden, "AccessDenied", "User: arn:aws:iam::123456789012:user/laboratory is not authorized to perform: "+strings.ReplaceAll(c.service+" "+c.operation, " ", ":"))
	}
	for _, key := range []string{c.service + " !", c.service + " " + c.operation, c.service + " *"} {
		if own, is := ours[key]; is && a == nil {
			a = own.answer(s, c)
		}
	}
	if a == nil {
		a = s.pass(r.Context(), c)
	}
	maps.Copy(w.Header(), a.header)
	w.WriteHeader(a.code)
	_, _ = w.Write(a.body) // whoever asked may be gone
}

// pass asks moto. The headers go along as they are: moto looks at whom they are signed for.
func (s *standIn) pass(ctx context.Context, c *awsCall) *awsAnswer {
	target := s.moto + c.URL.RequestURI()
	r, err := http.NewRequestWithContext(ctx, c.Method, target, bytes.NewReader(c.body))
	if err != nil {
		return &awsAnswer{code: http.StatusBadGateway, body: []byte(err.Error())}
	}
	r.Header, r.Host = c.Header.Clone(), c.Host
	r.Header.Del("Connection")
	res, err := s.client.Do(r)
	if err != nil {
		return &awsAnswer{code: http.StatusBadGateway, body: []byte(err.Error())}
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		return &awsAnswer{code: http.StatusBadGateway, body: []byte(err.Error())}
	}
	res.Header.Del("Connection") // moto closes after each answer, and we do not
	if c.Method != http.MethodHead {
		res.Header.Del("Content-Length")
	}
	return &awsAnswer{res.StatusCode, res.Header, body}
}

// with is the same call of another operation, or with another body.
func (c *awsCall) with(change func(*awsCall)) *awsCall {
	other := *c
	other.Request = c.Request.Clone(c.Context())
	change(&other)
	other.Header.Del("Content-Length")
	return &other
}

// form is what a call of the Query protocol asks for.
func (c *awsCall) form() url.Values {
	v, _ := url.ParseQuery(string(c.body)) // what cannot be read is not there
	return v
}

var signedScope = regexp.MustCompile(`Credential=[^/]+/\d+/([a-z0-9-]+)/([a-z0-9-]+)/aws4_request`)

// readCall tells service and Region by the signature, and the operation by the protocol.
func readCall(r *http.Request, body []byte) *awsCall {
	c := &awsCall{Request: r, body: body, service: "s3"} // only S3 is asked without a signature
	if m := signedScope.FindStringSubmatch(r.Header.Get("Authorization")); m != nil {
		c.region, c.service = m[1], m[2]
	}
	_, target, isTarget := strings.Cut(r.Header.Get("X-Amz-Target"), ".")
	switch m := smithyPath.FindStringSubmatch(r.URL.Path); {
	case m != nil:
		c.operation = m[1]
	case isTarget:
		c.operation = target
	case strings.HasPrefix(r.Header.Get("Content-Type"), "application/x-www-form-urlencoded"):
		c.operation = c.form().Get("Action")
	default:
		c.operation = c.byPath()
	}
	return c
}

var smithyPath = regexp.MustCompile(`^/service/[A-Za-z0-9]+/operation/([A-Za-z]+)$`)

type restPath struct {
	service, method, query, operation string
	path                              *regexp.Regexp
}

// restPaths tell the operations of the REST protocols: by service, method, path, and for S3
// by what is asked of a bucket. The first that fits counts.
var restPaths = func() (all []restPath) {
	for line := range strings.Lines(`
		route53    GET    /hostedzone                         ListHostedZones
		route53    POST   /hostedzone                         CreateHostedZone
		route53    GET    /hostedzone/[^/]+                   GetHostedZone
		route53    GET    /hostedzone/[^/]+/rrset/?           ListResourceRecordSets
		route53    POST   /hostedzone/[^/]+/rrset/?           ChangeResourceRecordSets
		route53    POST   /healthcheck                        CreateHealthCheck
		route53    GET    /healthcheck/[^/]+                  GetHealthCheck
		route53    POST   /healthcheck/[^/]+                  UpdateHealthCheck
		route53    GET    /healthcheck/[^/]+/status           GetHealthCheckStatus
		route53    GET    /change/[^/]+                       GetChange
		route53    GET    /testdnsanswer                      TestDNSAnswer
		cloudfront GET    /distribution                       ListDistributions
		cloudfront POST   /distribution                       CreateDistribution
		cloudfront GET    /distribution/[^/]+                 GetDistribution
		cloudfront GET    /distribution/[^/]+/config          GetDistributionConfig
		eks        GET    /clusters                           ListClusters
		eks        POST   /clusters                           CreateCluster
		eks        GET    /clusters/[^/]+                     DescribeCluster
		eks        GET    /clusters/[^/]+/pod-identity-associations       ListPodIdentityAssociations
		eks        GET    /clusters/[^/]+/pod-identity-associations/[^/]+ DescribePodIdentityAssociation
		s3         GET    /                                   ListBuckets
		s3         GET    /[^/]+/?       replication          GetBucketReplication
		s3         PUT    /[^/]+/?       replication          PutBucketReplication
		s3         PUT    /[^/]+/?       versioning           PutBucketVersioning
		s3         GET    /[^/]+/?       versioning           GetBucketVersioning
		s3         GET    /[^/]+/?       location             GetBucketLocation
		s3         GET    /[^/]+/?                            ListObjects
		s3         PUT    /[^/]+/?                            CreateBucket
		s3         HEAD   /[^/]+/?                            HeadBucket
		s3         PUT    /[^/]+/.+                           PutObject
		s3         GET    /[^/]+/.+                           GetObject
		s3         HEAD   /[^/]+/.+                           HeadObject
		s3         DELETE /[^/]+/.+                           DeleteObject
	`) {
		f := strings.Fields(line)
		if len(f) == 0 {
			continue
		}
		if len(f) == 4 {
			f = slices.Insert(f, 3, "")
		}
		all = append(all, restPath{f[0], f[1], f[3], f[4], regexp.MustCompile("^" + f[2] + "$")})
	}
	return all
}()

var apiVersion = regexp.MustCompile(`^/\d{4}-\d\d-\d\d/`)

// byPath is the operation of a REST call; empty if nobody knows it.
func (c *awsCall) byPath() string {
	path := c.URL.EscapedPath()
	if c.service == "route53" || c.service == "cloudfront" {
		path = apiVersion.ReplaceAllString(path, "/")
	}
	asks := c.URL.Query()
	for _, p := range restPaths {
		if p.service == c.service && p.method == c.Method && p.path.MatchString(path) && (p.query == "" || asks.Has(p.query)) {
			return p.operation
		}
	}
	return ""
}

// inXML is an answer of the Query protocol or of a REST one, and inJSON11 of those in JSON.
func inXML(code int, text string) *awsAnswer {
	return &awsAnswer{code, http.Header{"Content-Type": {"text/xml"}}, []byte(text)}
}

func inJSON11(code int, v any) *awsAnswer {
	data, err := json.Marshal(v)
	if err != nil {
		panic(err) // it is made of maps here
	}
	return &awsAnswer{code, http.Header{"Content-Type": {"application/x-amz-json-1.1"}}, data}
}

// refused is an error in XML, as AWS tells whoever asked for what he cannot have.
func refused(code int, kind, message string) *awsAnswer {
	return inXML(code, fmt.Sprintf("<ErrorResponse><Error><Type>Sender</Type><Code>%s</Code><Message>%s</Message></Error><RequestId>00000000-0000-4000-8000-000000000000</RequestId></ErrorResponse>", kind, message))
}
