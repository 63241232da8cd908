package ecr

import "testing"

func TestAnImageIsTakenApart(t *testing.T) {
	const digest = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
	for image, want := range map[string]reference{
		"111122223333.dkr.ecr.us-west-2.amazonaws.com/order-service:2026.02": {"111122223333.dkr.ecr.us-west-2.amazonaws.com", "111122223333", "us-west-2", "order-service", "2026.02"},
		"111122223333.dkr.ecr.us-east-1.amazonaws.com/shop/orders@" + digest: {"111122223333.dkr.ecr.us-east-1.amazonaws.com", "111122223333", "us-east-1", "shop/orders", digest},
		"111122223333.dkr.ecr.us-east-1.amazonaws.com/orders:1@" + digest:    {"111122223333.dkr.ecr.us-east-1.amazonaws.com", "111122223333", "us-east-1", "orders", digest},
		"111122223333.dkr.ecr.us-east-1.amazonaws.com/orders":                {"111122223333.dkr.ecr.us-east-1.amazonaws.com", "111122223333", "us-east-1", "orders", "latest"},
		"111122223333.dkr.ecr-fips.us-gov-west-1.amazonaws.com/orders:1":     {"111122223333.dkr.ecr-fips.us-gov-west-1.amazonaws.com", "111122223333", "us-gov-west-1", "orders", "1"},
		"111122223333.dkr.ecr.cn-north-1.amazonaws.com.cn/orders:1":          {"111122223333.dkr.ecr.cn-north-1.amazonaws.com.cn", "111122223333", "cn-north-1", "orders", "1"},
		"111122223333.dkr-ecr.us-west-2.on.aws/orders:1":                     {"111122223333.dkr-ecr.us-west-2.on.aws", "111122223333", "us-west-2", "orders", "1"},
		"public.ecr.aws/docker/library/redis:7":                              {host: "public.ecr.aws", repository: "docker/library/redis", id: "7"},
		"evil.example/111122223333.dkr.ecr.us-west-2.amazonaws.com/orders:1": {host: "evil.example", repository: "111122223333.dkr.ecr.us-west-2.amazonaws.com/orders", id: "1"},
		"localhost:5000/orders:1":                                            {host: "localhost:5000", repository: "orders", id: "1"},
		"istio/proxyv2:1.27":                                                 {host: "docker.io", repository: "istio/proxyv2", id: "1.27"},
		"redis":                                                              {host: "docker.io", repository: "redis", id: "latest"},
		digest:                                                               {host: "docker.io", repository: "sha256", id: digest[len("sha256:"):]},
	} {
		if got := parse(image); got != want {
			t.Errorf("%s is %+v, want %+v", image, got, want)
		}
	}
}
