<#
.SYNOPSIS
    What Exchange Online lets the application do with each mailbox. Changes nothing.
.DESCRIPTION
    Asks Test-ServicePrincipalAuthorization, which does not wait for the cache of RBAC for applications
    (up to 2 hours), and looks at what each mailbox needs. One line for each finding; the exit code is 1
    if something keeps mail from being sent.
.PARAMETER Outsider
    A mailbox that must NOT be within reach, such as a person's: proves that the scope holds.
.EXAMPLE
    ./Test-MailroomAccess.ps1 -ServicePrincipalId … -Mailbox billing@contoso.com -Outsider ceo@contoso.com
#>
[CmdletBinding()]
param(
    [Parameter(Mandatory)] [guid] $ServicePrincipalId,
    [Parameter(Mandatory)] [ValidateNotNullOrEmpty()] [string[]] $Mailbox,
    [string] $Outsider = ''
)

. (Join-Path $PSScriptRoot 'ServicePrincipal.ps1')
Assert-ExchangeConnection

$faults = 0

foreach ($address in $Mailbox) {
    $rows = @(Test-ServicePrincipalAuthorization -Identity "$ServicePrincipalId" -Resource $address)
    $rows | Format-Table -Property @('RoleName', 'GrantedPermissions', 'AllowedResourceScope', 'ScopeType', 'InScope') | Out-Host

    $byRbac = @($rows | Where-Object { $_.RoleName -eq 'Application SMTP.SendAsApp' -and "$($_.InScope)" -eq 'True' }).Count -gt 0
    $byMailbox = @(Get-MailboxPermission -Identity $address -User "$ServicePrincipalId" -ErrorAction SilentlyContinue |
            Where-Object { $_.AccessRights -contains 'FullAccess' -and -not $_.Deny }).Count -gt 0
    if ($byRbac -and $byMailbox) {
        Write-Warning "${address}: both ways are set up; take FullAccess back (Remove-MailroomAccess.ps1 -Way Mailbox)."
    }
    elseif (-not $byRbac -and -not $byMailbox) {
        $faults++
        Write-Warning "${address}: the application may not send. Run Grant-MailroomRbac.ps1."
    }

    if ((Get-CASMailbox -Identity $address).SmtpClientAuthenticationDisabled -ne $false) {
        $faults++
        Write-Warning "${address}: authenticated SMTP is not switched on (535 5.7.139). Run Set-MailroomMailbox.ps1."
    }
    if ((Get-Mailbox -Identity $address).MessageCopyForSMTPClientSubmissionEnabled) {
        Write-Warning "${address}: each mail leaves a copy in Sent Items; the mailbox will be full one day."
    }
}

if ($Outsider) {
    $reached = @(Test-ServicePrincipalAuthorization -Identity "$ServicePrincipalId" -Resource $Outsider |
            Where-Object { "$($_.InScope)" -eq 'True' })
    if ($reached.Count -gt 0) {
        $faults++
        Write-Warning "${Outsider}: within reach of $($reached.RoleName -join ', '). The scope is too wide."
    }
}

if ($faults -gt 0) {
    exit 1
}
Write-Information 'Exchange Online lets Mailroom send from these mailboxes.' -InformationAction Continue
