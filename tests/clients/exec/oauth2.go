// golang.org/x/oauth2/google: a client with application-default credentials. Built against Debian's packages.
package main

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"

	"golang.org/x/oauth2"
	"golang.org/x/oauth2/google"
)

func main() {
	ctx := context.Background()
	credentials, err := google.FindDefaultCredentials(ctx, "https://www.googleapis.com/auth/earthengine")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	client := oauth2.NewClient(ctx, credentials.TokenSource)
	url := os.Getenv("EARTH_ENGINE") + "/v1/projects/" + os.Getenv("GOOGLE_CLOUD_PROJECT") + "/value:compute"
	for lines := bufio.NewScanner(os.Stdin); lines.Scan(); {
		number, _ := strconv.Atoi(lines.Text())
		expression := fmt.Sprintf(`{"expression":{"result":"0","values":{"0":{"constantValue":%d}}}}`, number+1)
		answer, err := client.Post(url, "application/json", strings.NewReader(expression))
		if err != nil {
			fmt.Println("error", strings.ReplaceAll(err.Error(), "\n", " "))
			continue
		}
		body, _ := io.ReadAll(answer.Body)
		answer.Body.Close()
		word := "ok"
		if answer.StatusCode != 200 {
			word = "error"
		}
		fmt.Println(word, strings.ReplaceAll(string(body), "\n", " "))
	}
}
