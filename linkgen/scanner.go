package linkgen

import (
	"net/netip"
	"strings"
)

// robots are what the user agents of those that are no person contain, in lower case.
var robots = []struct{ has, is string }{
	{"headlesschrome", "headless Chrome"}, {"phantomjs", "PhantomJS"}, {"puppeteer", "Puppeteer"}, {"playwright", "Playwright"},
	{"slackbot", "Slack's preview"}, {"slack-imgproxy", "Slack's preview"}, {"discordbot", "Discord's preview"},
	{"telegrambot", "Telegram's preview"}, {"whatsapp", "WhatsApp's preview"}, {"facebookexternalhit", "Facebook's preview"},
	{"twitterbot", "Twitter's preview"}, {"linkedinbot", "LinkedIn's preview"}, {"skypeuripreview", "Skype's preview"},
	{"microsoftpreview", "Microsoft's preview"}, {"bingpreview", "Bing's preview"}, {"ms-office", "Microsoft Office"},
	{"microsoft office", "Microsoft Office"}, {"safelinks", "Microsoft Safe Links"}, {"barracuda", "Barracuda"},
	{"proofpoint", "Proofpoint"}, {"mimecast", "Mimecast"}, {"fireeye", "FireEye"}, {"trendmicro", "Trend Micro"},
	{"symantec", "Symantec"}, {"googleimageproxy", "Gmail's image proxy"}, {"googlebot", "Googlebot"},
	{"yahoomailproxy", "Yahoo's mail proxy"}, {"applebot", "Applebot"}, {"outlookmobile-preview", "Outlook's preview"},
	{"curl/", "curl"}, {"wget/", "wget"}, {"python-requests", "a Python program"}, {"python-urllib", "a Python program"},
	{"aiohttp", "a Python program"}, {"go-http-client", "a Go program"}, {"java/", "a Java program"}, {"okhttp", "a Java program"},
	{"apache-httpclient", "a Java program"}, {"libwww-perl", "a Perl program"}, {"axios/", "a JavaScript program"},
	{"node-fetch", "a JavaScript program"}, {"undici", "a JavaScript program"},
	{"crawler", "a crawler"}, {"spider", "a crawler"}, {"scanner", "a scanner"}, {"urlcheck", "a link checker"}, {"linkcheck", "a link checker"},
	{"bot/", "a robot"}, {"bot;", "a robot"}, {"+http", "a robot"},
}

// LooksLikeScanner reports whether a request of a link's page probably comes from no person, and how it looks. header
// returns a header's value, as http.Header.Get does. It is a hint for people: nothing may depend on it.
func LooksLikeScanner(method string, header func(name string) string) (why string, is bool) {
	if method == "HEAD" {
		return "it asked for the headers only", true
	}
	for _, name := range []string{"Sec-Purpose", "Purpose", "X-Purpose", "X-Moz"} {
		v := strings.ToLower(header(name))
		switch {
		case strings.Contains(v, "prerender"):
			return "a browser loaded it in advance, to show it at once", true
		case strings.Contains(v, "prefetch"):
			return "a browser loaded it in advance", true
		case strings.Contains(v, "preview"):
			return "a preview", true
		}
	}
	agent := strings.ToLower(header("User-Agent"))
	if agent == "" {
		return "it does not say what it is", true
	}
	for _, r := range robots {
		if strings.Contains(agent, r.has) {
			return "it calls itself " + r.is, true
		}
	}
	if !strings.HasPrefix(agent, "mozilla/") && !strings.HasPrefix(agent, "opera/") {
		return "it does not call itself a browser", true
	}
	if header("Accept-Language") == "" && header("Sec-Fetch-Mode") == "" {
		return "it speaks no language, as browsers do", true
	}
	return "", false
}

// Device says in a few words what a user agent is: "Firefox on Windows". It is empty for one that says nothing.
func Device(agent string) string {
	a := strings.ToLower(agent)
	if strings.TrimSpace(a) == "" {
		return ""
	}
	pick := func(list ...[2]string) string {
		for _, p := range list {
			if strings.Contains(a, p[0]) {
				return p[1]
			}
		}
		return ""
	}
	for _, r := range robots {
		if strings.Contains(a, r.has) {
			return r.is
		}
	}
	browser := pick([2]string{"edg/", "Edge"}, [2]string{"edga/", "Edge"}, [2]string{"edgios/", "Edge"}, [2]string{"opr/", "Opera"},
		[2]string{"samsungbrowser", "Samsung Internet"}, [2]string{"firefox", "Firefox"}, [2]string{"fxios", "Firefox"},
		[2]string{"crios", "Chrome"}, [2]string{"chrome", "Chrome"}, [2]string{"safari", "Safari"})
	system := pick([2]string{"iphone", "an iPhone"}, [2]string{"ipad", "an iPad"}, [2]string{"android", "Android"}, [2]string{"windows", "Windows"},
		[2]string{"cros ", "ChromeOS"}, [2]string{"mac os x", "a Mac"}, [2]string{"linux", "Linux"})
	switch {
	case browser != "" && system != "":
		return browser + " on " + system
	case browser+system != "":
		return browser + system
	}
	return "an unknown browser"
}

// CoarseAddress returns the network that an address is of, which is what may be kept of it: a /24, or a /48.
func CoarseAddress(a netip.Addr) string {
	if !a.IsValid() {
		return ""
	}
	a = a.Unmap().WithZone("")
	bits := 24
	if a.Is6() {
		bits = 48
	}
	p, err := a.Prefix(bits)
	if err != nil {
		return ""
	}
	return p.String()
}
